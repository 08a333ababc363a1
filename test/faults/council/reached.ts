import { setTimeout as pause } from 'node:timers/promises';
import type { Authority, Council } from './authorities.ts';

/** How often somebody is asked: what that costs, the rounds lack. */
const lookEveryMs = 250;

/** Waits until something is given that is not false, for four epochs. */
export async function seldom<T>(
  look: () => Promise<T | false>,
  what: string,
  { epochSeconds }: Pick<Council, 'epochSeconds'>,
): Promise<T> {
  const deadline = performance.now() + 4 * epochSeconds * 1_000;
  for (;;) {
    const seen = await look();
    if (seen !== false) return seen;
    if (performance.now() > deadline) throw new Error(`not within four epochs: ${what}`);
    await pause(lookEveryMs);
  }
}

/** Waits until authorities have a consensus of an epoch or a later one. */
export async function reached(
  epoch: number,
  { authorities, epochSeconds }: Pick<Council, 'authorities' | 'epochSeconds'>,
): Promise<void> {
  for (const authority of authorities) {
    const has = async (): Promise<boolean> => (await newestOf(authority)) >= epoch;
    await seldom(has, `${authority.name} has a consensus of epoch ${epoch}`, { epochSeconds });
  }
}

/** The epoch of the newest consensus that an authority has. */
export async function newestOf({ url }: Authority): Promise<number> {
  const answer = await fetch(`${url}/v1/agreement`);
  const { newest = -1 } = (await answer.json()) as { newest?: number };
  return newest;
}
