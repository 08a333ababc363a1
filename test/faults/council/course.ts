import { setTimeout as pause } from 'node:timers/promises';
import { epochAt } from '@postern/protocol/consensus';
import type { Council } from './authorities.ts';
import { equivocating, withholding } from './faulty.ts';
import { type Kill, slotRounds, type Trouble } from './troubles.ts';

type Running = Pick<Council, 'authorities' | 'epochSeconds'>;

const lateMs = 120_000;

/** The first epoch on which they begin to agree in a moment, and not before. */
export function nextEpoch({ epochSeconds }: Running): number {
  const slotSeconds = epochSeconds / 4;
  return epochAt(Date.now() / 1_000 + slotSeconds / slotRounds + slotSeconds, epochSeconds) + 1;
}

/** Has everything go wrong that is to while an epoch is agreed on; resolves once all have died that are to. */
export async function begin(
  { equivocates = -1, withholds = -1, late = -1, kills }: Trouble,
  epoch: number,
  { authorities, epochSeconds }: Running,
): Promise<void> {
  const slotMs = (epochSeconds * 1_000) / 4;
  const startMs = epoch * epochSeconds * 1_000 - slotMs;
  const [two, none] = [authorities[equivocates], authorities[withholds]];
  two?.lie(equivocating(two, authorities));
  none?.lie(withholding(none));
  const kill = async ({ place, atRound }: Kill): Promise<void> => {
    await pause(Math.max(0, startMs + (atRound * slotMs) / slotRounds - Date.now()));
    await authorities[place]?.kill();
  };
  await Promise.all([authorities[late]?.shiftClock(-lateMs), ...kills.map(kill)]);
}

/** Has everything right again. */
export async function end(
  { equivocates = -1, withholds = -1, late = -1, kills }: Trouble,
  { authorities }: Running,
): Promise<void> {
  for (const place of [equivocates, withholds]) authorities[place]?.lie();
  const start = kills.map(({ place }) => authorities[place]?.start());
  await Promise.all([authorities[late]?.shiftClock(0), ...start]);
}
