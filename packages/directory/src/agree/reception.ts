import type { Clock } from '@postern/runtime';
import type { Receipt } from '../ballots.ts';
import { rateLimit } from '../rate-limit.ts';
import type { Members } from './members.ts';
import type { Preparation } from './preparation.ts';
import { isUncertified } from './signatures.ts';

export interface ReceptionOptions {
  readonly clock: Clock;
  readonly members: Members;
  readonly preparation: Preparation;
  readonly roundMs: number;
}

/** What comes from others, before it is taken: no more than they need to say, and not without certificates of those who have signed it. */
export function createReception({
  clock,
  members,
  preparation,
  roundMs,
}: ReceptionOptions): (signed: string, take: (nowMs: number) => Receipt) => Receipt {
  const { length } = members.names;
  const limit = rateLimit(32 + 16 * length, Math.max(10, roundMs / (8 * length)));
  return (signed, take) => {
    const nowMs = clock.now();
    const by = /\u2014 (\S+) \S+\n$/.exec(signed.slice(-8_192))?.[1] ?? '';
    if (!limit.passes(by, nowMs))
      return { kind: 'refused', reason: 'too-often', detail: 'this authority has sent too much' };
    const receipt = take(nowMs);
    if (
      receipt.kind === 'refused' &&
      uncertifiedFaults.includes(receipt.reason) &&
      isUncertified(signed, members)
    ) {
      preparation.certify();
      return {
        kind: 'refused',
        reason: 'not-ready',
        detail: 'there is no certificate here of a key that has signed it',
      };
    }
    // only what is known to be from that authority counts against it
    const checked = receipt.kind === 'taken' || receipt.kind === 'waiting';
    if (checked || (receipt.kind === 'refused' && checkedFaults.includes(receipt.reason)))
      limit.take(by, nowMs);
    return receipt;
  };
}

/** What may not be so any more once there are certificates of all who have signed. */
const uncertifiedFaults: readonly string[] = ['no-ballot', 'late'];

const checkedFaults: readonly string[] = ['other-slot', 'not-committed'];
