import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, overwriteAndRemove } from '@postern/runtime';
import { absent } from '../cache.ts';
import { decodeReturn, type ReturnRecord } from './record.ts';

/** What opens the reports of messages that went out from here, by return token. */
export interface Returns {
  /** `undefined` when nothing is known of it here, or any more. */
  find(token: string): Promise<ReturnRecord | undefined>;
  /** Overwrites and removes it: no further report of it counts. None is no fault. */
  forget(token: string): Promise<void>;
  /** Forgets those whose time is over. Returns how many; what cannot be removed now is left to the next time. */
  prune(): Promise<number>;
}

export function openReturns({ directory, clock }: { directory: string; clock: Clock }): Returns {
  const path = (token: string): string => join(directory, `${token}.json`);
  const read = async (token: string): Promise<ReturnRecord | undefined> => {
    const text = await readFile(path(token), 'utf8').catch(absent);
    return text === undefined ? undefined : decodeReturn(text, token);
  };
  const isOver = ({ expires }: ReturnRecord): boolean => clock.now() >= expires * 1000;
  const forget = (token: string): Promise<void> => overwriteAndRemove(path(token)).catch(absent);
  return {
    async find(token) {
      const record = await read(token);
      return record === undefined || isOver(record) ? undefined : record;
    },
    forget,
    async prune() {
      const names = (await readdir(directory).catch(absent)) ?? [];
      const tokens = names.flatMap((name) => /^([0-9a-f]{32})\.json$/.exec(name)?.[1] ?? []);
      let removed = 0;
      for (const token of tokens) {
        const record = await read(token).catch(() => undefined);
        if (record === undefined || !isOver(record)) continue;
        removed += await forget(token).then(
          () => 1,
          () => 0,
        );
      }
      return removed;
    },
  };
}
