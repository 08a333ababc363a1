import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { parseInfo } from './conditions.ts';

const lookAgainMs = 20;

/**
 * Has Redis write its append-only file anew, if it grew, and waits for that: the file tells all that came and went, in the order of time.
 * What the medium keeps of the old one is beyond Redis. Does nothing where Redis does not let itself be told.
 */
export async function rewriteAof(redis: Redis, stop: AbortSignal): Promise<void> {
  const state = async () => {
    const info = parseInfo(await redis.info('persistence'));
    const busy = info.aof_rewrite_in_progress !== '0' || info.aof_rewrite_scheduled !== '0';
    return { busy, grown: Number(info.aof_current_size) > Number(info.aof_base_size) };
  };
  const idle = async (): Promise<boolean> => {
    for (;;) {
      const { busy, grown } = await state();
      if (!busy) return grown;
      await pause(lookAgainMs, undefined, { signal: stop });
    }
  };
  // One that runs already may have begun before what is to be forgotten was removed.
  if (!(await idle())) return;
  try {
    await redis.bgrewriteaof();
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return;
    throw error;
  }
  await idle();
}
