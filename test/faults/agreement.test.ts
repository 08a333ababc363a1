import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { epochAt } from '@postern/protocol/consensus';
import { expect, onTestFailed, test } from 'vitest';
import { machine } from '../machine.ts';
import { type Authority, type Council, startCouncil } from './council/authorities.ts';
import { count } from './council/count.ts';
import { equivocating, withholding } from './council/faulty.ts';
import { registerMixes } from './council/mixes.ts';

const epochs = Number(process.env.POSTERN_FAULT_EPOCHS ?? 4);
/** Ten rounds to a quarter of it: five processes, and whatever else runs, share the machine's processors. */
const shortestEpoch = Number(process.env.POSTERN_FAULT_EPOCH_SECONDS ?? 16);
/** How often it is doubled, for a machine on which messages between five take longer than half a round. */
const doublings = 2;
const threshold = 3;

/** The epoch of the newest consensus that an authority has. */
async function newestOf({ url }: Authority): Promise<number> {
  const answer = await fetch(`${url}/v1/agreement`);
  const { newest = -1 } = (await answer.json()) as { newest?: number };
  return newest;
}

/** The epoch that authorities agree on at a time, milliseconds: for a quarter of the one before it, and until it has three quarters gone. */
function agreedOn(ms: number, epochSeconds: number): number {
  return epochAt(ms / 1_000 + epochSeconds / 4, epochSeconds);
}

/** Waits until authorities have a consensus of an epoch or a later one, for four epochs. Asked seldom: what that costs, the rounds lack. */
async function reached(
  epoch: number,
  { authorities, epochSeconds }: Pick<Council, 'authorities' | 'epochSeconds'>,
): Promise<void> {
  const deadline = performance.now() + 4 * epochSeconds * 1_000;
  for (const authority of authorities) {
    while ((await newestOf(authority)) < epoch) {
      if (performance.now() > deadline)
        throw new Error(`${authority.name} has no consensus of epoch ${epoch}`);
      await pause(250);
    }
  }
}

/** Authorities with nothing wrong, with whom mixes register, and that have agreed once, and so on this machine can: by epochs as long as that takes. */
async function startAgreeing(epochSeconds = shortestEpoch, left = doublings): Promise<Council> {
  await using opened = new AsyncDisposableStack();
  const council = opened.use(await startCouncil({ count: 5, epochSeconds, liars: [3, 4] }));
  opened.use(keepRegistering(council));
  try {
    await reached(0, council);
  } catch (error) {
    if (left === 0) throw new Error(`what was there lies in ${council.folder}`, { cause: error });
    await opened.disposeAsync();
    await rm(council.folder, { recursive: true });
    return startAgreeing(2 * epochSeconds, left - 1);
  }
  const running = opened.move();
  return { ...council, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** Registers mixes anew in every epoch, until it is ended. */
function keepRegistering(council: Council): AsyncDisposable {
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await registerMixes(council);
      await pause((council.epochSeconds * 1_000) / 2, undefined, { signal: stop.signal }).catch(
        () => undefined,
      );
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

/** What is wrong during an agreement. Never with more than two: the other three are as many as have to sign. */
interface Trouble {
  /** Places of those that have no vote, and whose value is not drawn from. */
  readonly unheard: readonly number[];
  readonly withheld?: readonly number[];
  begin(): Promise<void> | void;
  end?(): Promise<void> | void;
}

function troublesOf({ authorities }: Council): readonly Trouble[] {
  const [first, second, third, fourth, fifth] = authorities as readonly [
    Authority,
    Authority,
    Authority,
    Authority,
    Authority,
  ];
  const sayTwo = equivocating(fourth, authorities);
  const revealNone = withholding(fifth);
  return [
    {
      unheard: [3],
      withheld: [4],
      begin() {
        fourth.lie(sayTwo);
        fifth.lie(revealNone);
      },
      end: () => fifth.lie(),
    },
    {
      unheard: [2, 3],
      begin: () => third.shiftClock(-120_000),
      async end() {
        fourth.lie();
        await third.shiftClock(0);
      },
    },
    {
      unheard: [0],
      withheld: [4],
      async begin() {
        fifth.lie(revealNone);
        await first.kill();
      },
      end: () => fifth.lie(),
    },
    {
      unheard: [0, 1],
      begin: () => second.kill(),
      async end() {
        await Promise.all([first.start(), second.start()]);
      },
    },
  ];
}

test(`five authorities, of whom two at a time lie, are killed or have a wrong clock, agree on each of ${epochs} epochs`, async () => {
  await using council = await startAgreeing();
  onTestFailed(() => void process.stdout.write(`what was there lies in ${council.folder}\n`));
  const { authorities, epochSeconds } = council;
  const troubles = troublesOf(council);
  // the first that is not agreed on already when the first two begin to lie
  const from = agreedOn(Date.now() + 2_000, epochSeconds) + 1;
  await reached(from - 1, council);
  const to = from + epochs - 1;
  const began = performance.now();
  const troubleOf = (epoch: number): Trouble => troubles[(epoch - from) % troubles.length] as Trouble;
  for (let epoch = from; epoch <= to; epoch++) {
    const { unheard, begin, end } = troubleOf(epoch);
    await begin();
    await reached(epoch, {
      epochSeconds,
      authorities: authorities.filter((_, at) => !unheard.includes(at)),
    });
    await end?.();
  }
  await reached(to, council);

  const { consensuses, forks, signedTwice } = await count(council, { from, to }, threshold);
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  process.stdout.write(
    `epochs ${epochs} of ${epochSeconds} s, consensuses ${consensuses.size}, forks ${forks} (${seconds} s; ${machine()})\n`,
  );
  expect({ consensuses: consensuses.size, forks, signedTwice }).toEqual({
    consensuses: epochs,
    forks: 0,
    signedTwice: [],
  });
  // who says two things, or nothing in time, has no vote; who does not reveal has one
  for (const [epoch, { votes, reveals }] of consensuses) {
    const { unheard, withheld = [] } = troubleOf(epoch);
    const named = (places: readonly number[]): string[] => places.map((at) => `authority${at + 1}.test`);
    const wrong = [
      ...votes.filter((name) => named(unheard).includes(name)),
      ...reveals.filter((name) => named([...unheard, ...withheld]).includes(name)),
    ];
    expect({ epoch, wrong }).toEqual({ epoch, wrong: [] });
  }
  await council[Symbol.asyncDispose]();
  await rm(council.folder, { recursive: true });
});
