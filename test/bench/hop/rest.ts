import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '@postern/testkit';
import { startUsage } from '../usage.ts';
import type { Relay } from './relay.ts';

/** So long it must have had next to nothing to do. */
const stillMs = 1_000;
/** What its timers take: of the processor, and of the disk. */
const mostMs = 30;
const mostWritten = 65_536;

/** Resolves once a relay has done what it had put off. */
export async function comesToRest(relay: Pick<Relay, 'pids'>): Promise<void> {
  await until(() => isStill(relay), { what: 'the relay is at rest', deadlineMs: 300_000 });
}

/** A process that ends meanwhile has something to do. */
function isStill(relay: Pick<Relay, 'pids'>): Promise<boolean> {
  return look(relay).catch(() => false);
}

async function look({ pids }: Pick<Relay, 'pids'>): Promise<boolean> {
  const looked = pids();
  const used = startUsage(looked);
  const before = written(looked);
  await pause(stillMs);
  const busy = used().reduce((sum, { total }) => sum + total, 0);
  return busy <= mostMs && written(looked) - before <= mostWritten;
}

/** Bytes that were handed to the disk, proc(5). */
function written(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const [, bytes = 0] = /^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8')) ?? [];
    return sum + Number(bytes);
  }, 0);
}
