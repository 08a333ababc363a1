import type { Clock, Log } from '@postern/runtime';
import type { Resolver } from '@postern/runtime/dns';
import { type Loop, startLoop } from './loop.ts';

/** What a node's resolver is worth: whether it says of a proven answer that it is proven. */
export type Proof = 'proven' | 'unproven' | 'unanswered' | 'unknown';

export interface ProofWatch extends Loop {
  current(): Proof;
}

export interface ProofContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly resolver: Resolver;
}

const goodForMs = 3_600_000;
const againMs = 60_000;

/** Asks about the root, which is signed, at the start and from time to time, and says so when that is not proven. */
export function watchProof({ clock, log, resolver }: ProofContext): ProofWatch {
  let current: Proof = 'unknown';
  const loop = startLoop({ clock, log, trouble: 'the resolver could not be asked' }, async (stop) => {
    const answer = await resolver.resolve('.', 'TXT', stop);
    const proof = answer.kind === 'failed' ? 'unanswered' : answer.secure ? 'proven' : 'unproven';
    if (proof !== current && proof !== 'proven') log.warn(troubles[proof]);
    if (proof === 'proven' && current !== 'unknown' && current !== 'proven')
      log.info('the resolver proves its answers again');
    current = proof;
    await clock.wait(clock.now() + (proof === 'proven' ? goodForMs : againMs), stop);
  });
  return { current: () => current, stop: () => loop.stop() };
}

const troubles = {
  unproven:
    'the resolver does not validate DNSSEC: domains that DNS alone names get nothing; see [dns] in the configuration',
  unanswered: 'the resolver gives no answer: domains that DNS alone names get nothing',
} as const;
