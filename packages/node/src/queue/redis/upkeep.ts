import type { Random } from '@postern/runtime';
import type { Redis } from 'ioredis';
import type { Desk } from './desk.ts';
import { drawPriority } from './jobs.ts';

const atOnce = 500;

/**
 * Draws anew in which order inputs are taken: however many come, each that waits has the same chance after every sweep, and how long it
 * has waited stands nowhere.
 */
export async function redrawInputs(desk: Desk, random: Random): Promise<void> {
  for (const queue of ['packet', 'exit'] as const)
    await desk.use(async ({ redis, lines }) => {
      const scan = redis.zscanStream(lines[queue].queue.toKey('prioritized'), { count: atOnce });
      for await (const found of scan as AsyncIterable<string[]>) {
        const ids = found.filter((_score, at) => at % 2 === 0);
        await desk.ask('redraw', queue, ...ids.flatMap((id) => [id, drawPriority(random)]));
      }
    });
}

/** Keys of a row, by the list that its id stands in. */
const keysOf: Readonly<Record<string, (id: string) => readonly string[]>> = {
  inputs: (id) => [`input:${id}`, `bytes:${id}`, `jobs:packet:${id}`, `jobs:exit:${id}`],
  relays: (id) => [`relay:${id}`, `bytes:${id}`, `jobs:relays:${id}`],
  open: (id) => [`set:${id}`, `fragments:${id}`],
  complete: (id) => [`set:${id}`, `fragments:${id}`, `jobs:sets:${id}`],
};
/** The same for those whose list has times. */
const timedKeysOf: typeof keysOf = {
  over: (id) => [`set:${id}`],
  returns: (token) => [`return:${token}`, `carriages:${token}`],
};

/**
 * Touches all that waits: Redis knows of each key when it was last used, to the second, and would tell when a row came. Of no use while Redis
 * rewrites its file, since it notes nothing then.
 */
export async function touchRows(redis: Redis, prefix: string): Promise<void> {
  const touch = async (names: readonly string[]): Promise<void> => {
    if (names.length > 0) await redis.touch(...names.map((name) => `${prefix}:${name}`));
  };
  for (const [list, keys] of Object.entries(keysOf)) {
    const scan = redis.sscanStream(`${prefix}:${list}`, { count: atOnce });
    for await (const ids of scan as AsyncIterable<string[]>) await touch(ids.flatMap(keys));
  }
  for (const [list, keys] of Object.entries(timedKeysOf)) {
    const scan = redis.zscanStream(`${prefix}:${list}`, { count: atOnce });
    for await (const found of scan as AsyncIterable<string[]>) {
      const ids = found.filter((_score, at) => at % 2 === 0);
      await touch(ids.flatMap(keys));
      if (list !== 'returns') continue;
      const carriages = await Promise.all(ids.map((token) => redis.smembers(`${prefix}:carriages:${token}`)));
      await touch(carriages.flat().map((id) => `carriage:${id}`));
    }
  }
}
