import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { decodeConsensus } from '@postern/protocol/consensus';
import type { Random } from '@postern/protocol/primitives';
import { type Council, startCouncil } from './authorities.ts';
import { type Flood, flood } from './flood.ts';
import { registerMixes } from './mixes.ts';
import { newestOf, reached, seldom } from './reached.ts';
import { members } from './troubles.ts';

/** Ten rounds to a quarter of it: five processes, and whatever else runs, share the machine's processors. */
const shortestEpoch = Number(process.env.POSTERN_FAULT_EPOCH_SECONDS ?? 16);
/** How often it is doubled, for a machine on which messages between five take longer than half a round. */
const doublings = 2;

/** Authorities that agree, and whom descriptors flood. */
export interface Agreeing extends Council {
  readonly flooding: Flood;
}

/**
 * Authorities with nothing wrong that have agreed, each heard by all in time, and so on this machine can: by epochs as long as that takes. `liars` are the places
 * of those that may lie later.
 */
export async function startAgreeing(
  liars: readonly number[],
  random: Random,
  epochSeconds = shortestEpoch,
  left = doublings,
): Promise<Agreeing> {
  await using opened = new AsyncDisposableStack();
  const council = opened.use(await startCouncil({ count: members, epochSeconds, liars }));
  opened.use(keepRegistering(council));
  const flooding = opened.use(flood(council, random));
  try {
    await reached(0, council);
    await seldom(() => isAllHeard(council), 'all five are heard', council);
  } catch (error) {
    if (left === 0) throw new Error(`what was there lies in ${council.folder}`, { cause: error });
    await opened.disposeAsync();
    await rm(council.folder, { recursive: true });
    return startAgreeing(liars, random, 2 * epochSeconds, left - 1);
  }
  const running = opened.move();
  return { ...council, flooding, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** Whether the newest consensus has a vote and a value of each. */
async function isAllHeard({ authorities: [first] }: Council): Promise<boolean> {
  if (first === undefined) return false;
  const answer = await fetch(`${first.url}/v1/consensus/${await newestOf(first)}`);
  const consensus = decodeConsensus(await answer.text())?.consensus;
  return consensus?.votes.length === members && consensus.reveals.length === members;
}

/** Registers mixes anew in every epoch, until it is ended. */
function keepRegistering(council: Council): AsyncDisposable {
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await registerMixes(council);
      await pause((council.epochSeconds * 1_000) / 2, undefined, { signal: stop.signal }).catch(
        () => undefined,
      );
    }
  };
  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}
