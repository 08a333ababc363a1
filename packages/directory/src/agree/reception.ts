import type { Clock } from '@postern/runtime';
import type { Receipt } from '../ballots.ts';
import { rateLimit } from '../rate-limit.ts';
import type { Members } from './members.ts';

export interface ReceptionOptions {
  readonly clock: Clock;
  readonly members: Members;
  readonly roundMs: number;
}

/** What comes from others, before it is taken: no more than they need to say. */
export function createReception({
  clock,
  members,
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
    // only what is known to be from that authority counts against it
    if (receipt.kind === 'taken' || (receipt.kind === 'refused' && checkedFaults.includes(receipt.reason)))
      limit.take(by, nowMs);
    return receipt;
  };
}

const checkedFaults: readonly string[] = ['other-slot', 'not-committed'];
