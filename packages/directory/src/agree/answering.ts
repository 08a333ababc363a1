import type { Log } from '@postern/runtime';
import type { Peer } from './members.ts';
import type { Seen } from './peers.ts';

/** Says in the log which of the others does not answer, and why, once for each time that this has changed. */
export function createAnswering(
  log: Log,
  others: readonly Peer[],
): (seen: ReadonlyMap<string, Seen>) => void {
  const told = new Map<string, string | undefined>();
  return (seen) => {
    for (const { name, url } of others) {
      const why = seen.get(name)?.why;
      if (told.get(name) === why) continue;
      told.set(name, why);
      if (why === undefined) log.info('peer answers', { name, url });
      else log.warn('peer does not answer', { name, url, why });
    }
  };
}
