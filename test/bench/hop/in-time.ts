import { aborted } from '@postern/runtime';
import { watchProgress } from '../../progress.ts';
import type { Arrived, Ends } from './ends.ts';

/** What has not come when so long nothing else did does not come. */
const standstillMs = 120_000;

/** What has arrived, or how many different messages are still missing when nothing has arrived for long. */
export async function inTime(
  ends: Ends,
  arrived: Promise<Arrived>,
): Promise<Arrived | { readonly missing: number }> {
  using watch = watchProgress(() => ends.missing(), standstillMs);
  const late = aborted(watch.signal).then(async () => ({ missing: await ends.missing() }));
  return await Promise.race([arrived, late]);
}

/** All `count` of what was to arrive. Throws, with how many have, when nothing has arrived for long. */
export async function allInTime(ends: Ends, arrived: Promise<Arrived>, count: number): Promise<Arrived> {
  const came = await inTime(ends, arrived);
  if (!('missing' in came)) return came;
  throw new Error(
    `${count - came.missing} of ${count} messages have arrived, and none for ${standstillMs / 1_000} s: the relay has lost the others, or does not go on`,
  );
}
