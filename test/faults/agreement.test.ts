import { rm } from 'node:fs/promises';
import type { AuthorityStatus } from '@postern/directory';
import { systemRandom } from '@postern/runtime';
import { SeededRandom } from '@postern/testkit';
import { expect, onTestFailed, test } from 'vitest';
import { machine } from '../machine.ts';
import { startAgreeing } from './council/agreeing.ts';
import { accusations, alarmsOf, stands } from './council/alarms.ts';
import type { Council } from './council/authorities.ts';
import { type Counted, count } from './council/count.ts';
import { begin, end, nextEpoch } from './council/course.ts';
import { nodesFlooding } from './council/flood.ts';
import { reached, seldom } from './council/reached.ts';
import {
  drawCourse,
  faultyIn,
  isWithoutMajority,
  type Trouble,
  threshold,
  unheardIn,
} from './council/troubles.ts';

const epochs = Number(process.env.POSTERN_FAULT_EPOCHS ?? 4);
const seed = process.env.POSTERN_FAULT_SEED ?? Buffer.from(systemRandom.bytes(4)).toString('hex');

/** Waits until those who can have agreed on an epoch, and until operators are told who was faulty. */
async function agreeAndName(trouble: Trouble, epoch: number, council: Council): Promise<void> {
  const { authorities, epochSeconds } = council;
  const away = faultyIn(trouble).filter((place) => place !== trouble.withholds);
  await reached(epoch, { epochSeconds, authorities: authorities.filter((_, at) => !away.includes(at)) });
  for (const alarm of alarmsOf(trouble, epoch, authorities)) {
    const what = `${alarm.kind} of ${alarm.about} is said by ${alarm.least} of ${alarm.at.map(({ name }) => name).join(', ')}`;
    await seldom(() => stands(alarm), what, council);
  }
}

/** Waits until three slots of an epoch's four are over without a majority, and until those that are left say so. */
async function comeToNothing(trouble: Trouble, epoch: number, council: Council): Promise<void> {
  const { authorities } = council;
  const dead = faultyIn(trouble);
  const why = `after slot 2 of epoch ${epoch} no document has ${threshold} signatures`;
  for (const survivor of authorities.filter((_, at) => !dead.includes(at))) {
    const look = async (): Promise<AuthorityStatus | false> => {
      const status = await survivor.status();
      return status.alarms.some((one) => one.kind === 'split' && one.why.startsWith(why)) && status;
    };
    const { alarms, heldUp, consensus } = await seldom(look, `${survivor.name} says: ${why}`, council);
    expect(['few-votes', 'signed-before']).toContain(heldUp?.reason);
    expect(consensus?.epoch).toBeLessThan(epoch);
    const silent = alarms.filter(({ kind }) => kind === 'silent').map(({ about }) => about);
    expect(silent).toEqual(expect.arrayContaining(dead.map((at) => authorities[at]?.name)));
  }
}

test(`five authorities, of whom two at a time lie, are killed or have a wrong clock, agree on each of ${epochs} epochs but one, for which three are killed`, async () => {
  const random = new SeededRandom(seed);
  const { liars, troubles } = drawCourse(epochs, random.fork('course'));
  await using council = await startAgreeing(liars, random.fork('flood'));
  onTestFailed(() => void process.stdout.write(`seed ${seed}; what was there lies in ${council.folder}\n`));
  const { authorities, epochSeconds, flooding } = council;
  const from = nextEpoch(council);
  await reached(from - 1, council);
  const began = performance.now();
  // where one takes all of its slots the next is passed over: its first has begun by then
  const course = new Map<number, Trouble>();
  for (const trouble of troubles) {
    const epoch = nextEpoch(council);
    course.set(epoch, trouble);
    await begin(trouble, epoch, council);
    if (isWithoutMajority(trouble)) await comeToNothing(trouble, epoch, council);
    else await agreeAndName(trouble, epoch, council);
    await end(trouble, council);
  }
  const to = Math.max(...course.keys());
  await reached(to, council);
  await flooding[Symbol.asyncDispose]();

  const { consensuses, forks, signedTwice } = await count(council, { from, to }, threshold);
  const { taken, refused, strange } = flooding;
  const without = [...course.keys()].filter((epoch) => !consensuses.has(epoch)).length;
  const agreed = course.size - without;
  const seconds = ((performance.now() - began) / 1_000).toFixed(0);
  process.stdout.write(
    `epochs ${epochs} of ${epochSeconds} s, consensuses ${agreed}, forks ${forks}, epochs without a majority ${without}; of descriptors ${taken} taken, ${refused} refused (passed over ${to - from + 1 - epochs}; seed ${seed}; ${seconds} s; ${machine()})\n`,
  );
  const having = [...course].map(([epoch, trouble]) => [epoch, isWithoutMajority(trouble) ? 0 : 1]);
  expect([...course.keys()].map((epoch) => [epoch, consensuses.has(epoch) ? 1 : 0])).toEqual(having);
  expect({ forks, signedTwice }).toEqual({ forks: 0, signedTwice: [] });
  const named = (places: readonly number[]): string[] => places.map((at) => authorities[at]?.name ?? '');
  const wrong = [...course].flatMap(([epoch, trouble]) => {
    const counted = consensuses.get(epoch);
    return counted === undefined
      ? []
      : wrongIn(counted, trouble, named).map((what) => `epoch ${epoch}: ${what}`);
  });
  expect(wrong).toEqual([]);
  const [liar = ''] = named(liars);
  expect(await accusations(authorities, liar)).toEqual([]);
  expect(strange).toEqual([]);
  expect(consensuses.get(to)?.standing).toBeGreaterThan(nodesFlooding);
  await council[Symbol.asyncDispose]();
  await rm(council.folder, { recursive: true });
});

/** Who says two things, or nothing in time, has no vote; who does not reveal has one. */
function wrongIn(
  { votes, reveals }: Counted,
  trouble: Trouble,
  named: (places: readonly number[]) => string[],
): string[] {
  const unheard = named(unheardIn(trouble));
  const withheld = named(trouble.withholds === undefined ? [] : [trouble.withholds]);
  return [
    ...votes.filter((name) => unheard.includes(name)).map((name) => `${name} has a vote`),
    ...withheld.filter((name) => !votes.includes(name)).map((name) => `${name} has no vote`),
    ...reveals
      .filter((name) => [...unheard, ...withheld].includes(name))
      .map((name) => `${name} has a part in the value`),
  ];
}
