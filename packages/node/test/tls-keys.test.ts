import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VerifiedConsensus } from '@postern/directory/client';
import { silentLog, systemRandom } from '@postern/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { createCertificate } from '../src/keys/certificate.ts';
import { addNext, tlsRing } from '../src/keys/ring.ts';
import { openTlsKeys, type TlsKeys } from '../src/tls.ts';
import { fakeClock, until } from './support.ts';

const epochSeconds = 3_600;
const firstEpoch = 500_000;

/** What the node makes of a consensus, as far as it looks at it. */
function consensusOf(epoch: number, id: string, tlsPins: readonly string[]): VerifiedConsensus {
  return { consensus: { epoch, epochSeconds, nodes: [{ id, tlsPins }] } } as unknown as VerifiedConsensus;
}

async function started() {
  const dataDir = await mkdtemp(join(tmpdir(), 'postern-tls-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  await createCertificate(dataDir, 'mix1.test', systemRandom);
  const clock = fakeClock(firstEpoch * epochSeconds * 1_000);
  const keys: TlsKeys = await openTlsKeys({ clock, log: silentLog, dataDir, id: 'ab' });
  const first = keys.current().pin;
  const shown: string[] = [];
  let announced = 0;
  const loop = keys.start({
    show: ({ pin }) => shown.push(pin),
    announce: () => {
      announced += 1;
    },
  });
  onTestFinished(() => loop.stop());
  /** Gives the next key's pin, once the node has taken it up. */
  const rotate = async (at: number): Promise<string> => {
    let pin = '';
    await addNext(dataDir, tlsRing, at, async (dir) => {
      ({ pin } = await createCertificate(dir, 'mix1.test', systemRandom));
    });
    await until(async () => {
      await clock.advance(1_000);
      return keys.pins().includes(pin);
    });
    return pin;
  };
  const epoch = (): number => Math.floor(clock.now() / epochSeconds / 1_000);
  /** Lets an epoch pass, with a consensus at its start that lists these pins. */
  const pass = async (pins: readonly string[]): Promise<void> => {
    await clock.advance((epoch() + 1) * epochSeconds * 1_000 - clock.now());
    keys.note(consensusOf(epoch(), 'ab', pins));
  };
  /** Lets an epoch pass for which the node is not drawn. */
  const skip = async (): Promise<void> => {
    await clock.advance((epoch() + 1) * epochSeconds * 1_000 - clock.now());
    keys.note(consensusOf(epoch(), 'cd', []));
  };
  /** Whether another key comes to be shown if the node gets to look several times: it waits after each. */
  const looks = async (): Promise<void> => {
    for (let turns = 0; turns < 5; turns++) {
      await until(() => clock.waiting > 0);
      await clock.advance(2_000);
    }
    await until(() => clock.waiting > 0);
  };
  /** Waits until another key is shown. */
  const comes = (): Promise<void> =>
    until(async () => {
      await clock.advance(1_000);
      return shown.length > 0;
    });
  return { clock, keys, first, shown, rotate, pass, skip, looks, comes, epoch, announced: () => announced };
}

test('the next key is published at once, and shown only when no consensus that anybody may use lacks it', async () => {
  const { clock, keys, first, shown, rotate, pass, looks, comes, announced } = await started();
  const next = await rotate(clock.now() / 1_000);
  expect(keys.pins()).toEqual([first, next]);
  expect(announced()).toBe(1);
  await pass([first]); // the directory had not heard of it in time
  await looks();
  await pass([first, next]);
  await looks();
  await pass([first, next]);
  await looks();
  expect(shown).toEqual([]);
  await pass([first, next]);
  await comes();
  expect(shown).toEqual([next]);
  expect(keys.pins()).toEqual([next, first]);
  expect(keys.status().map(({ phase, pin }) => [phase, pin])).toEqual([
    ['shown', next],
    ['before', first],
  ]);
  await until(async () => {
    await clock.advance(tlsRing.overlap * 1_000);
    return keys.pins().length === 1;
  });
  expect(keys.pins()).toEqual([next]);
  expect(announced()).toBe(3);
});

test('one that does not list the node neither begins the wait nor ends it', async () => {
  const { clock, first, shown, rotate, pass, skip, looks, comes } = await started();
  const next = await rotate(clock.now() / 1_000);
  for (let epoch = 0; epoch < 4; epoch++) await skip();
  await looks();
  expect(shown).toEqual([]);
  await pass([first, next]);
  await skip();
  await looks();
  expect(shown).toEqual([]);
  await skip();
  await comes();
  expect(shown).toEqual([next]);
});

test('a consensus that lacks the next key starts the wait again', async () => {
  const { clock, first, shown, rotate, pass, looks, comes } = await started();
  const next = await rotate(clock.now() / 1_000);
  await pass([first, next]);
  await pass([first, next]);
  await pass([first]);
  await pass([first, next]);
  await pass([first, next]);
  await looks();
  expect(shown).toEqual([]);
  await pass([first, next]);
  await comes();
});

test('the next key is not shown before its time, however well known it is', async () => {
  const { clock, first, shown, rotate, pass, looks, comes } = await started();
  const next = await rotate(clock.now() / 1_000 + 10 * epochSeconds);
  for (let epochs = 0; epochs < 9; epochs++) await pass([first, next]);
  await looks();
  expect(shown).toEqual([]);
  await pass([first, next]);
  await comes();
});

test('a clock that is put ahead shows no key before the consensuses of that time have come', async () => {
  const { clock, first, shown, rotate, pass, looks, comes, epoch } = await started();
  const next = await rotate(clock.now() / 1_000);
  const right = epoch();
  await pass([first, next]);
  clock.set(clock.now() + 24 * epochSeconds * 1_000);
  await looks();
  expect(shown).toEqual([]);
  clock.set((right + 1) * epochSeconds * 1_000);
  await pass([first, next]);
  await looks();
  expect(shown).toEqual([]);
  await pass([first, next]);
  await comes();
});
