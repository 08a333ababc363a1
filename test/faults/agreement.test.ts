import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { epochAt } from '@postern/protocol/consensus';
import { until } from '@postern/testkit';
import { expect, onTestFailed, test } from 'vitest';
import { machine } from '../machine.ts';
import { type Authority, type Council, startCouncil } from './council/authorities.ts';
import { count } from './council/count.ts';
import { equivocating, withholding } from './council/faulty.ts';
import { registerMixes } from './council/mixes.ts';

const epochs = Number(process.env.POSTERN_FAULT_EPOCHS ?? 12);
const epochSeconds = Number(process.env.POSTERN_FAULT_EPOCH_SECONDS ?? 12);
const threshold = 3;

const now = (): number => epochAt(Date.now() / 1_000, epochSeconds);

/** The epoch of the newest consensus that an authority has. */
async function newestOf({ url }: Authority): Promise<number> {
  const answer = await fetch(`${url}/v1/agreement`);
  const { newest = -1 } = (await answer.json()) as { newest?: number };
  return newest;
}

/** Registers mixes anew in every epoch, until it is ended. */
function keepRegistering(council: Council): AsyncDisposable {
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await registerMixes(council);
      await pause((epochSeconds * 1_000) / 3, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

test(`five authorities, of whom two lie, two are killed and one has a wrong clock, agree for ${epochs} epochs without a fork`, async () => {
  await using council = await startCouncil({
    count: 5,
    epochSeconds,
    meddle(at, authorities) {
      if (at === 3) return equivocating(authorities[3] as Authority, authorities);
      return at === 4 ? withholding(authorities[4] as Authority) : undefined;
    },
  });
  onTestFailed(() => void process.stdout.write(`what was there lies in ${council.folder}\n`));
  await using _registering = keepRegistering(council);
  const [first, second, third] = council.authorities as [Authority, Authority, Authority];
  const reached = (epoch: number, of: Authority): Promise<true> =>
    until(async () => (await newestOf(of)) >= epoch || undefined, {
      what: `${of.name} has the consensus of epoch ${epoch}`,
      deadlineMs: 12 * epochSeconds * 1_000,
    }).then(() => true as const);
  await reached(0, first);
  const from = await newestOf(first);
  const began = performance.now();

  // the faults follow one another, as often as there is time for them
  const faults: readonly (() => Promise<void>)[] = [
    async () => {
      await third.shiftClock(-120_000);
      await reached((await newestOf(first)) + 2, first);
      await third.shiftClock(0);
    },
    async () => {
      await first.kill();
      await reached((await newestOf(second)) + 1, second);
      await first.start();
    },
    async () => {
      await second.kill();
      await reached((await newestOf(first)) + 1, first);
      await second.start();
    },
  ];
  let times = 0;
  for (let at = 0; now() < from + epochs - 2; at = (at + 1) % faults.length) {
    await (faults[at] as () => Promise<void>)();
    times += 1;
    await reached(now() + 1, third);
  }
  const to = from + epochs - 1;
  for (const authority of council.authorities) await reached(to, authority);

  const { consensuses, forks, signedTwice, votes, reveals } = await count(council, { from, to }, threshold);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  const figure = `epochs ${epochs}, consensuses ${consensuses}, forks ${forks}`;
  process.stdout.write(`${figure} (${times} faults of three that took turns, ${seconds} s; ${machine()})\n`);
  expect({ forks, signedTwice }).toEqual({ forks: 0, signedTwice: [] });
  expect(consensuses).toBeGreaterThanOrEqual(Math.ceil(epochs * 0.75));
  // who says two things has no vote, and who does not reveal has one
  expect(Object.keys(votes).sort()).toEqual([1, 2, 3, 5].map((one) => `authority${one}.test`));
  expect(Object.keys(reveals).sort()).toEqual([1, 2, 3].map((one) => `authority${one}.test`));
  await council[Symbol.asyncDispose]();
  await rm(council.folder, { recursive: true });
});
