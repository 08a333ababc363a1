import type { Clock } from '@postern/runtime';
import type { Part, Receipt } from '../ballots.ts';
import type { Agreement } from './agreement.ts';
import { createFetchPassed } from './fetch-passed.ts';
import type { Members } from './members.ts';
import type { Passed } from './passed.ts';
import type { Peers } from './peers.ts';
import { createPolling } from './polling.ts';
import { createReception } from './reception.ts';
import type { Signatures } from './signatures.ts';

export interface HearingOptions {
  readonly clock: Clock;
  readonly members: Members;
  readonly peers: Peers;
  readonly passed: Passed;
  readonly signatures: Pick<Signatures, 'receive'>;
  /** How soon another one is asked again for what it passes on, milliseconds. */
  readonly retryMs: number;
  readonly failed: (error: unknown) => void;
  /** The one in which this authority takes part at a time. */
  agreementAt(nowMs: number): Agreement | undefined;
}

/** Takes what others have to say, as they post it, or asks them for it (spec agreement 3.4). */
export interface Hearing {
  ballot(part: Part, signed: string): Receipt;
  document(signed: string): Receipt;
  /** A document that another authority was asked for. */
  given(name: string, signed: string): Receipt;
}

export function createHearing(options: HearingOptions): Hearing {
  const { clock, members, peers, passed, signatures, retryMs, failed } = options;
  const take = (part: Part, signed: string, nowMs: number): Receipt =>
    options.agreementAt(nowMs)?.receive(part, signed, nowMs) ?? {
      kind: 'refused',
      reason: 'not-ready',
      detail: 'this authority takes no part at this time',
    };
  const takeDocument =
    (signed: string) =>
    (nowMs: number): Receipt =>
      signatures.receive(signed, nowMs);
  const fetchPassed = createFetchPassed({
    peers,
    members: members.names.length,
    holds: (digest) => passed.holds(digest),
    receive: (name, part, signed) => reception.asked(name, signed, (nowMs) => take(part, signed, nowMs)),
  });
  const fetching = createPolling(peers.names, retryMs, fetchPassed, failed);
  const turnedAway = (): void => fetching.poll(clock.now());
  const reception = createReception({ clock, members, turnedAway });
  return {
    ballot(part, signed) {
      // whoever does not know yet that it was taken is told, whatever else comes; nothing is parsed or hashed for that
      if (passed.has(signed)) return { kind: 'known' };
      return reception.posted(signed, (nowMs) => take(part, signed, nowMs));
    },
    document: (signed) => reception.posted(signed, takeDocument(signed)),
    given: (name, signed) => reception.asked(name, signed, takeDocument(signed)),
  };
}
