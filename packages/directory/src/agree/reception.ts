import type { Clock } from '@postern/runtime';
import type { Receipt } from '../ballots.ts';
import { rateLimit } from '../rate-limit.ts';
import type { Members } from './members.ts';

export interface ReceptionOptions {
  readonly clock: Clock;
  readonly members: Members;
  /** Called when something was not looked at: what others have to say has to be asked for. */
  turnedAway(): void;
}

/** What comes from others, before it is taken. Nobody can keep what somebody else has to say from being heard (spec agreement 3.4). */
export interface Reception {
  /** What somebody has posted: who that is is not known. */
  posted(signed: string, take: (nowMs: number) => Receipt): Receipt;
  /** What another authority was asked for, at its own URL. */
  asked(name: string, signed: string, take: (nowMs: number) => Receipt): Receipt;
}

/** Milliseconds in which one thing is looked at that is refused, once as many have been as come at once: a signature check takes a tenth of it. */
const refusalMs = 1_000;

/** Characters above which something is long: reading and hashing it takes more than a signature check, up to a fifth of a second. */
const longest = 262_144;

/** The same for what is long. */
const longRefusalMs = 16_000;

export function createReception({ clock, members, turnedAway }: ReceptionOptions): Reception {
  const count = members.names.length;
  const short = rateLimit(32 + 16 * count, refusalMs);
  const long = rateLimit(4 + 2 * count, longRefusalMs);
  /** What is taken costs nothing: of each authority there is so much only. `by` is who answers for the rest; '' for everybody. */
  const admit = (by: string, signed: string, take: (nowMs: number) => Receipt): Receipt => {
    const nowMs = clock.now();
    const limit = signed.length > longest ? long : short;
    if (!limit.passes(by, nowMs)) {
      if (by === '') turnedAway();
      const detail = 'too much has come that is not taken; it is asked for instead';
      return { kind: 'refused', reason: 'too-often', detail };
    }
    const receipt = take(nowMs);
    if (receipt.kind === 'refused' && receipt.reason !== 'early') limit.take(by, nowMs);
    return receipt;
  };
  return { posted: (signed, take) => admit('', signed, take), asked: admit };
}
