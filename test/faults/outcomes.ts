import type { CounterStage, Outcome } from '@postern/node/testing';

type Outcomes = { readonly [S in CounterStage]: Readonly<Record<Outcome<S>, boolean>> };

/**
 * Of everything that a node counts, whether it still has then what it was about, or has seen to it that somebody else has: all others give it
 * up. Here nobody writes to anybody who is not there, and nothing is to be reported.
 */
const keeps: Outcomes = {
  received: {
    accepted: true,
    deferred: true,
    limited: true,
    reported: false,
    discarded: false,
    malformed: false,
    loop: false,
    'wrong-kind': false,
    denied: false,
  },
  peeled: {
    relay: true,
    exit: true,
    replayed: true,
    'wrong-length': false,
    'wrong-suite': false,
    'wrong-epoch': false,
    'wrong-layer': false,
    'bad-header': false,
    'bad-command': false,
    'bad-reserved': false,
    'bad-domain': false,
    'bad-body': false,
    fault: false,
  },
  forwarded: {
    sent: true,
    // Tried again.
    deferred: true,
    untrusted: true,
    'no-tls': true,
    'no-login': true,
    'no-route': true,
    'no-consensus': true,
    unverifiable: true,
    unlisted: true,
    asking: true,
    postponed: true,
    // A packet is tried again, and an exit is deleted.
    refused: false,
    'no-mix': false,
    expired: false,
    'no-exchange': false,
    'no-part': false,
  },
  unwrapped: {
    stored: true,
    complete: true,
    duplicate: true,
    deferred: true,
    refused: false,
    expired: false,
    'unknown-mailbox': false,
    told: false,
    complaint: false,
    'known-complaint': false,
    'unknown-token': false,
    fault: false,
  },
  submitted: {
    accepted: true,
    deferred: true,
    limited: true,
    malformed: false,
    'wrong-kind': false,
    'no-mix': false,
    'no-consensus': false,
    expired: false,
    'foreign-token': false,
  },
  logins: { author: true, unavailable: true, 'slowed-down': true, refused: false },
  returned: { told: false, 'unknown-token': false, 'no-failure': false, malformed: false },
  complained: { sent: false, unknown: false, expired: false, 'no-domain': false, later: false },
  delivered: {
    delivered: true,
    deferred: true,
    refused: false,
    'unknown-mailbox': false,
    unjoinable: false,
    incomplete: false,
    undelivered: false,
    reported: false,
  },
};

/** By stage and outcome. */
export type Counts = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What was given up for good, `stage.outcome` by count. */
export function givenUp(all: readonly Counts[]): Record<string, number> {
  const kept = keeps as Readonly<Record<string, Readonly<Record<string, boolean>>>>;
  const given: Record<string, number> = {};
  for (const [stage, counts] of all.flatMap((each) => Object.entries(each)))
    for (const [outcome, count] of Object.entries(counts)) {
      if (kept[stage]?.[outcome] === true || count === 0) continue;
      const name = `${stage}.${outcome}`;
      given[name] = (given[name] ?? 0) + count;
    }
  return given;
}
