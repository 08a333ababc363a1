import type { AuthorityConfig } from './config.ts';

const minute = 60;
const shortestUsualSeconds = 10 * minute;

/**
 * What of a configuration holds and is nothing for a network that people use: an epoch that is short, and a mean delay that authors cannot keep to
 * (spec route 4.1). Said to the operator before the epoch, which never changes, has become that of a network.
 */
export function unusualIn({
  epochSeconds,
  meanDelayMs,
  geometry: { hops },
}: Pick<AuthorityConfig, 'epochSeconds' | 'meanDelayMs' | 'geometry'>): string[] {
  const said: string[] = [];
  if (epochSeconds < shortestUsualSeconds)
    said.push(
      `an epoch of ${inWords(epochSeconds * 1_000)} is for tests: everybody fetches a consensus in each, and clocks may differ by little. Usual is 1h, and no less than 10m; it never changes later`,
    );
  const longestMs = Math.floor((epochSeconds * 1_000) / (4 * hops));
  if (meanDelayMs > longestMs)
    said.push(
      `a mean delay of ${inWords(meanDelayMs)} is too long for an epoch of ${inWords(epochSeconds * 1_000)}: mixes have destroyed their keys before packets come, so authors send none, or only some of the time. With ${hops} hops it is at most ${inWords(longestMs)}`,
    );
  return said;
}

const units = [
  ['h', 60 * minute * 1_000],
  ['m', minute * 1_000],
  ['s', 1_000],
] as const;

/** As it is written in the configuration. */
function inWords(ms: number): string {
  const [unit, scale] = units.find(([, scale]) => ms > 0 && ms % scale === 0) ?? ['ms', 1];
  return `${ms / scale}${unit}`;
}
