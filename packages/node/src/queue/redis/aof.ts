import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { parseInfo } from './info.ts';

const lookAgainMs = 20;

/**
 * Has Redis write its append-only file anew, if it grew, and waits for that: the file tells all that came and went, in the order of time.
 * One that another process asked for will do, if it begins after this call. What the medium keeps of the old file is beyond Redis. Does nothing where
 * Redis does not let itself be told.
 */
export async function rewriteAof(redis: Redis, stop: AbortSignal): Promise<void> {
  const look = async () => {
    const info = parseInfo(await redis.info('persistence'));
    return {
      busy: info.aof_rewrite_in_progress !== '0' || info.aof_rewrite_scheduled !== '0',
      begun: Number(info.aof_rewrites),
      grown: Number(info.aof_current_size) > Number(info.aof_base_size),
    };
  };
  const first = await look();
  for (let now = first; now.busy || (now.begun === first.begun && now.grown); now = await look()) {
    if (now.busy) await pause(lookAgainMs, undefined, { signal: stop });
    else if (!(await begin(redis))) return;
  }
}

/** False where that is not allowed. */
async function begin(redis: Redis): Promise<boolean> {
  try {
    await redis.bgrewriteaof();
    return true;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ReplyError') throw error;
    // Another process was quicker.
    return /already in progress/.test(error.message);
  }
}
