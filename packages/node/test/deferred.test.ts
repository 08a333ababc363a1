import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { generateDomainKey, sealEnvelope } from '@postern/protocol/envelope';
import { defaultGeometry, encodeEnvelopeUnit } from '@postern/protocol/packet';
import { createMetrics, silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { expect, onTestFinished, test } from 'vitest';
import { createCounters } from '../src/counters.ts';
import { createLifetime } from '../src/lifetime.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import type { Complete, Input } from '../src/spool.ts';
import { unwrap } from '../src/unwrap/unwrap.ts';
import { fakeClock, seeded, until } from './support.ts';

const startMs = Date.UTC(2033, 1, 2);

/** The stage with the domain's keys as they are set, and inputs for bob under a certificate. */
async function startUnwrap(secretKey: Uint8Array) {
  const folder = await storesFolder('deferred');
  const [clock, random] = [fakeClock(startMs), seeded('deferred')];
  const { packetBytes, payloadBytes } = defaultGeometry;
  const path = join(folder, 'spool.sqlite');
  const spool = await openSqliteSpool({ unitBytes: packetBytes, path, clock, random });
  const keys = { list: [secretKey], isComplete: false, hasNewest: true };
  const listeners: ((keys: readonly Uint8Array[]) => void)[] = [];
  const counters = createCounters(createMetrics());
  const complete: Complete[] = [];
  const stage = unwrap({
    clock,
    random,
    log: silentLog,
    spool,
    counters,
    domain: 'b.test',
    lifetime: createLifetime(clock, 10_000),
    unwrapWorkers: 1,
    geometry: defaultGeometry,
    keys: {
      current: () => keys.list,
      isComplete: () => keys.isComplete,
      onChange: (listener) => void listeners.push(listener),
    },
    hasNewestKey: async () => keys.hasNewest,
    findMailbox: () => 'bob',
    composeLetter: () => {
      throw new Error('nobody is told');
    },
    complaintLifeMs: 0,
  })({
    take: async (sets) => void complete.push(...sets),
    close: async () => undefined,
  });
  onTestFinished(async () => {
    await stage.close();
    await spool.close();
    await rm(folder, { recursive: true });
  });
  const claim = async (): Promise<Input[]> => spool.claimInputs('exit', 8);
  const accept = async (certificate: Uint8Array): Promise<Input[]> => {
    const data = random.bytes(100);
    const expires = startMs / 1_000 + 86_400;
    const none = new Uint8Array();
    const envelope = await sealEnvelope(
      {
        recipient: 'bob@b.test',
        setId: random.bytes(16),
        index: 0,
        k: 1,
        n: 1,
        totalBytes: data.length,
        expires,
        returnInfo: none,
        attestation: none,
        data,
      },
      certificate,
      payloadBytes,
    );
    await spool.accept({
      kind: 'exit',
      bytes: encodeEnvelopeUnit(defaultGeometry, envelope, random),
    });
    return claim();
  };
  /** The keys change, and everybody is told. */
  const change = (list: readonly Uint8Array[], isComplete: boolean, hasNewest = true): void => {
    Object.assign(keys, { list, isComplete, hasNewest });
    for (const listener of listeners) listener(list);
  };
  const outcomes = async () => (await counters.values()).unwrapped;
  return { stage, spool, complete, accept, claim, change, outcomes };
}

test.each([
  ['the missing key', false],
  ['another key', true],
])('what was being tried as %s came is tried again with it', async (_, isComplete) => {
  const [present, old] = [await generateDomainKey('b.test'), await generateDomainKey('b.test')];
  const { stage, complete, accept, claim, change, outcomes } = await startUnwrap(present.secretKey);
  change([present.secretKey], isComplete);
  const taking = stage.take(await accept(old.certificate));
  change([present.secretKey, old.secretKey], true);
  await taking;
  expect(await outcomes()).toMatchObject({ deferred: 1, refused: 0 });
  let again: Input[] = [];
  await until(async () => {
    again = await claim();
    return again.length === 1;
  });
  await stage.take(again);
  expect(complete).toHaveLength(1);
});

test('only what none of the keys opens is deferred, and only while one is missing', async () => {
  const [present, other] = [await generateDomainKey('b.test'), await generateDomainKey('b.test')];
  const { stage, spool, complete, accept, change, outcomes } = await startUnwrap(present.secretKey);
  await stage.take(await accept(present.certificate));
  expect(complete).toHaveLength(1);
  const [noise] = await accept(present.certificate);
  if (noise === undefined) throw new Error('nothing to claim');
  noise.bytes.fill(0, 1);
  await stage.take([noise]);
  expect(await outcomes()).toMatchObject({ complete: 1, refused: 1, deferred: 0 });
  change([present.secretKey], true);
  await stage.take(await accept(other.certificate));
  expect(await outcomes()).toMatchObject({ refused: 2, deferred: 0 });
  expect(await spool.counts()).toMatchObject({ inputs: 0 });
});

test('what another process has a newer key for waits until that is here', async () => {
  const [present, newer] = [await generateDomainKey('b.test'), await generateDomainKey('b.test')];
  const { stage, complete, accept, claim, change, outcomes } = await startUnwrap(present.secretKey);
  change([present.secretKey], true, false);
  await stage.take(await accept(newer.certificate));
  await stage.take(await accept(present.certificate));
  expect(await outcomes()).toMatchObject({ deferred: 1, complete: 1, refused: 0 });
  change([newer.secretKey, present.secretKey], true);
  let again: Input[] = [];
  await until(async () => {
    again = await claim();
    return again.length === 1;
  });
  await stage.take(again);
  expect(complete).toHaveLength(2);
});
