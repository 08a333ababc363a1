import type { Consensus } from '@postern/protocol/consensus';
import { ExitCode } from '@postern/runtime';
import type { Domains } from '../domains/index.ts';
import { flawOf, type Keys } from '../keys/index.ts';
import type { Addressee, Draft, Problem, ProblemCode } from '../message.ts';

export interface Audience {
  readonly addressees: readonly Addressee[];
  readonly problems: readonly Problem[];
}

/** What can be written to of a draft's recipients, and what keeps the others from it. */
export async function audience(
  draft: Draft,
  deps: { keys: Keys; domains: Domains; consensus: Consensus | undefined; now: Date },
): Promise<Audience> {
  const judged = await Promise.all(draft.recipients.map((mailbox) => addressee(mailbox, draft, deps)));
  return {
    addressees: judged.flatMap(({ addressee }) => (addressee === undefined ? [] : [addressee])),
    problems: judged.flatMap(({ problems }) => problems),
  };
}

async function addressee(
  mailbox: string,
  draft: Draft,
  { keys, domains, consensus, now }: Parameters<typeof audience>[1],
): Promise<{ addressee?: Addressee; problems: Problem[] }> {
  const domain = mailbox.slice(mailbox.lastIndexOf('@') + 1);
  const problems: Problem[] = [];
  const add = (code: ProblemCode, message: string, hint: string): void => {
    problems.push({ code, mailbox, message, hint, exitCode: ExitCode.dataError });
  };
  const certificate = await keys.certificate(mailbox);
  const flaw = certificate === undefined ? undefined : await flawOf(certificate, now);
  if (certificate === undefined)
    add(
      'no-recipient-key',
      `there is no key of ${mailbox}`,
      'Get their certificate and: postern keys import FILE',
    );
  if (flaw !== undefined)
    add('unusable-key', `the key of ${mailbox} ${flaw}`, 'Get a newer one and: postern keys import FILE');

  const found = await domains.lookup(domain);
  switch (found.kind) {
    case 'absent':
      add(
        'domain-not-pinned',
        `nothing is known of the domain ${domain}`,
        'Get its record and: postern domain pin FILE',
      );
      break;
    case 'refused':
      add(
        'unusable-record',
        `the record of ${domain} does not hold: ${found.reason}`,
        'Get a newer one and: postern domain pin FILE',
      );
      break;
    case 'record':
      if (!found.record.mix)
        add('domain-takes-no-mix', `${domain} takes no mail through mixes`, 'Write to them by another way.');
      if (draft.message.length > found.record.maxBytes)
        add(
          'too-large',
          `${domain} takes ${found.record.maxBytes} bytes at most; the message has ${draft.message.length}`,
          'Send less at once.',
        );
  }
  if (consensus !== undefined && !isServed(domain, consensus))
    add(
      'domain-not-served',
      `no gateway of the consensus serves ${domain}`,
      'Try again later; if it stays so, tell the domain’s operator.',
    );

  if (problems.length > 0 || certificate === undefined || found.kind !== 'record') return { problems };
  return { addressee: { mailbox, domain, certificate, record: found.record }, problems };
}

function isServed(domain: string, { nodes, revoked }: Consensus): boolean {
  return nodes.some(
    (node) => node.roles.includes('delivery') && node.domains.includes(domain) && !revoked.includes(node.id),
  );
}
