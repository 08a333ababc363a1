import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { type Council, startCouncil } from './authorities.ts';
import { registerMixes } from './mixes.ts';
import { reached } from './reached.ts';
import { members } from './troubles.ts';

/** Ten rounds to a quarter of it: five processes, and whatever else runs, share the machine's processors. */
const shortestEpoch = Number(process.env.POSTERN_FAULT_EPOCH_SECONDS ?? 16);
/** How often it is doubled, for a machine on which messages between five take longer than half a round. */
const doublings = 2;

/**
 * Authorities with nothing wrong, with whom mixes register, and that have agreed once, and so on this machine can: by epochs as long as that takes. `liars` are
 * the places of those that may lie later.
 */
export async function startAgreeing(
  liars: readonly number[],
  epochSeconds = shortestEpoch,
  left = doublings,
): Promise<Council> {
  await using opened = new AsyncDisposableStack();
  const council = opened.use(await startCouncil({ count: members, epochSeconds, liars }));
  opened.use(keepRegistering(council));
  try {
    await reached(0, council);
  } catch (error) {
    if (left === 0) throw new Error(`what was there lies in ${council.folder}`, { cause: error });
    await opened.disposeAsync();
    await rm(council.folder, { recursive: true });
    return startAgreeing(liars, 2 * epochSeconds, left - 1);
  }
  const running = opened.move();
  return { ...council, [Symbol.asyncDispose]: () => running.disposeAsync() };
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
