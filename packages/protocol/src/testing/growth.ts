/**
 * How many times the processor's time grows when the work becomes four times as much: about 4 where it is linear, 16 where it is quadratic. `make`
 * prepares work for a size, whose preparation does not count. The least of several tries on each side, taken in turn, since whatever else the
 * machine does only adds; more tries as long as the growth is `bound` or above.
 */
export async function growth(make: (times: 1 | 4) => () => unknown, bound: number): Promise<number> {
  const [small, large] = [make(1), make(4)];
  const often = await howOften(small);
  let [least, most] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let tries = 0; tries < leastTries || (most / least >= bound && tries < mostTries); tries++) {
    least = Math.min(least, await timeOf(small, often));
    most = Math.min(most, await timeOf(large, often));
  }
  return most / least;
}

/** How often the work has to be done for its time to be seen; that warms it up as well. */
async function howOften(work: () => unknown): Promise<number> {
  let often = 1;
  while (Math.min(await timeOf(work, often), await timeOf(work, often)) < seenMs) often *= 2;
  return often;
}

/** Of this process on the processor, ms: what other programs have meanwhile is not in it. */
async function timeOf(work: () => unknown, often: number): Promise<number> {
  const before = process.cpuUsage();
  for (let time = 0; time < often; time++) await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

const seenMs = 8;
const leastTries = 2;
const mostTries = 4;
