import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFailed, test } from 'vitest';
import { machine } from '../machine.ts';
import { type Authority, type Council, startCouncil } from './council/authorities.ts';
import { count } from './council/count.ts';
import { equivocating, withholding } from './council/faulty.ts';
import { registerMixes } from './council/mixes.ts';

const epochs = Number(process.env.POSTERN_FAULT_EPOCHS ?? 4);
/** Ten rounds to a quarter of it: five processes, and whatever else runs, share the machine's processors. */
const epochSeconds = Number(process.env.POSTERN_FAULT_EPOCH_SECONDS ?? 16);
const threshold = 3;

/** The epoch of the newest consensus that an authority has. */
async function newestOf({ url }: Authority): Promise<number> {
  const answer = await fetch(`${url}/v1/agreement`);
  const { newest = -1 } = (await answer.json()) as { newest?: number };
  return newest;
}

/** Waits until authorities have a consensus of an epoch or a later one. Asked seldom: what that costs, the rounds lack. */
async function reached(epoch: number, authorities: readonly Authority[]): Promise<void> {
  const deadline = performance.now() + 4 * epochSeconds * 1_000;
  for (const authority of authorities) {
    while ((await newestOf(authority)) < epoch) {
      if (performance.now() > deadline)
        throw new Error(`${authority.name} has no consensus of epoch ${epoch}`);
      await pause(250);
    }
  }
}

/** Registers mixes anew in every epoch, until it is ended. */
function keepRegistering(council: Council): AsyncDisposable {
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await registerMixes(council);
      await pause((epochSeconds * 1_000) / 2, undefined, { signal: stop.signal }).catch(() => undefined);
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
  const [first, second, third, ...liars] = council.authorities as [Authority, Authority, Authority];
  await reached(0, council.authorities);
  const from = (await newestOf(first)) + 1;
  const to = from + epochs - 1;
  const began = performance.now();

  /** Each lasts for one agreement; the last one for none. */
  const faults: readonly { readonly of: Authority; begin(): Promise<void>; end(): Promise<void> }[] = [
    { of: third, begin: () => third.shiftClock(-120_000), end: () => third.shiftClock(0) },
    { of: first, begin: () => first.kill(), end: () => first.start() },
    { of: second, begin: () => second.kill(), end: () => second.start() },
  ];
  for (let epoch = from; epoch < to; epoch++) {
    const { of, begin, end } = faults[(epoch - from) % faults.length] as (typeof faults)[number];
    await begin();
    await reached(
      epoch,
      [first, second, third, ...liars].filter((one) => one !== of),
    );
    await end();
  }
  await reached(to, council.authorities);

  const { consensuses, forks, signedTwice, votes, reveals } = await count(council, { from, to }, threshold);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  const figure = `epochs ${epochs}, consensuses ${consensuses}, forks ${forks}`;
  process.stdout.write(
    `${figure} (${epochs - 1} faults of three that took turns, ${seconds} s; ${machine()})\n`,
  );
  expect({ consensuses, forks, signedTwice }).toEqual({ consensuses: epochs, forks: 0, signedTwice: [] });
  // who says two things has no vote, and who does not reveal has one
  expect(Object.keys(votes).sort()).toEqual([1, 2, 3, 5].map((one) => `authority${one}.test`));
  expect(Object.keys(reveals).sort()).toEqual([1, 2, 3].map((one) => `authority${one}.test`));
  await council[Symbol.asyncDispose]();
  await rm(council.folder, { recursive: true });
});
