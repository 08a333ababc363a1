import { createSmtpSender } from '@postern/mail';
import { defaultGeometry } from '@postern/protocol/packet';
import { seeded } from '@postern/protocol/testing';
import { expect, onTestFinished, test } from 'vitest';
import { pathsUnder } from '../src/index.ts';
import { type Next, type Outbox, openOutbox, type QueuedPacket } from '../src/outbox/index.ts';
import type { Hop, NoHop } from '../src/submit/hop.ts';
import { type Submission, type SubmitOptions, submit } from '../src/submit/submit.ts';
import { type SteppedClock, steppedClock } from './clock.ts';
import { folder } from './folder.ts';
import { type Mix, type MixOptions, startMix } from './mix.ts';

const start = Date.UTC(2026, 0, 1);
const random = seeded('submit');

async function mixCalled(name: string, options: Partial<MixOptions> = {}): Promise<Mix> {
  const mix = await startMix({ name, layer: 1, epoch: 1, ...options });
  onTestFinished(() => mix[Symbol.asyncDispose]());
  return mix;
}

interface Scene {
  readonly outbox: Outbox;
  readonly clock: SteppedClock;
  readonly run: (options?: Partial<SubmitOptions>, packets?: readonly QueuedPacket[]) => Promise<Submission>;
}

/** An outbox with so many packets for each mix. */
async function scene(
  mixes: readonly Mix[],
  packetsEach: number,
  expires = start / 1000 + 3600,
): Promise<Scene> {
  const home = await folder();
  const outbox = openOutbox(pathsUnder(home), random);
  await using staged = await outbox.stage();
  for (const mix of mixes) {
    for (let packet = 0; packet < packetsEach; packet++) {
      const bytes = new Uint8Array(random.bytes(defaultGeometry.packetBytes));
      await staged.add({ bytes, next: { kind: 'node', id: mix.entry.id }, expires });
    }
  }
  await staged.commit();
  const clock = steppedClock(start);
  const sender = createSmtpSender({ ehloName: 'a.test' });
  onTestFinished(() => sender.close());
  return {
    outbox,
    clock,
    run: async (options, packets) =>
      submit(packets ?? (await outbox.queued()), {
        sender,
        fromDomain: 'a.test',
        hopTo: async (next) => hopTo(mixes, next),
        clock,
        random,
        connections: 3,
        deadline: start + 300_000,
        ...options,
      }),
  };
}

function hopTo(mixes: readonly Mix[], next: Next): Hop | NoHop {
  const entry = mixes.map((mix) => mix.entry).find(({ id }) => next.kind === 'node' && id === next.id);
  if (entry === undefined) return { kind: 'unknown' };
  const { name, smtp, tlsPins } = entry;
  return { kind: 'hop', domain: name, server: name, peer: { ...smtp, tls: { kind: 'pin', pins: tlsPins } } };
}

const nodeOf = (next: Next | undefined): string => (next?.kind === 'node' ? next.id : '');

test('every packet reaches its first mix once, as it lay in the outbox, from the author’s domain', async () => {
  const mixes = [await mixCalled('m1.test'), await mixCalled('m2.test')];
  const { outbox, run } = await scene(mixes, 6);
  const stored = await Promise.all((await outbox.queued()).map((queued) => queued.load()));
  const seen: number[] = [];
  expect(await run({ onSubmitted: (bytes) => seen.push(bytes) })).toEqual({
    submitted: 12,
    pending: 0,
    waiting: [],
    held: [],
  });
  const taken = mixes.flatMap((mix) =>
    mix.packets.map((packet) => `${mix.entry.id} ${Buffer.from(packet).toString('hex')}`),
  );
  const expected = stored.map(
    (packet) => `${nodeOf(packet?.next)} ${Buffer.from(packet?.bytes ?? []).toString('hex')}`,
  );
  expect(taken.sort()).toEqual(expected.sort());
  expect([...(mixes[0]?.from ?? [])]).toEqual(['a.test']);
  expect(seen).toEqual(Array.from({ length: 12 }, () => defaultGeometry.packetBytes));
  expect(await outbox.list()).toEqual([]);
});

test('a mix that takes none for a while is tried again with growing pauses, with the same packets', async () => {
  const mix = await mixCalled('m1.test');
  const { outbox, clock, run } = await scene([mix], 3);
  const stored = await Promise.all((await outbox.queued()).map((queued) => queued.load()));
  mix.answer = () => (clock.waits.length < 4 ? 'defer' : 'accept');
  const pauses: number[] = [];
  const { submitted, pending } = await run({
    onPause(until, waiting) {
      pauses.push(until - clock.now());
      expect(waiting).toEqual([{ reason: 'busy', node: 'm1.test', packets: 3 }]);
    },
  });
  expect({ submitted, pending }).toEqual({ submitted: 3, pending: 0 });
  expect(pauses).toHaveLength(4);
  for (const [round, pause] of pauses.entries()) {
    expect(pause).toBeGreaterThanOrEqual(500 * 2 ** round);
    expect(pause).toBeLessThanOrEqual(1500 * 2 ** round);
  }
  const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
  expect(mix.packets.map(hex).sort()).toEqual(stored.map((packet) => hex(packet?.bytes)).sort());
});

test('as long as some packets are taken, the pauses stay short', async () => {
  const mix = await mixCalled('m1.test');
  const { run } = await scene([mix], 5);
  let asked = 0;
  mix.answer = () => (asked++ % 2 === 0 ? 'accept' : 'defer');
  const pauses: number[] = [];
  const clock = steppedClock(start);
  const { submitted } = await run({
    clock,
    connections: 1,
    onPause: (until) => pauses.push(until - clock.now()),
  });
  expect(submitted).toBe(5);
  expect(pauses).toHaveLength(4);
  for (const pause of pauses) expect(pause).toBeLessThanOrEqual(1500);
});

test('one mix that is away does not hold up the others, and what is left stays', async () => {
  const [away, here] = [await mixCalled('m1.test'), await mixCalled('m2.test')];
  const { outbox, clock, run } = await scene([away, here], 4);
  await away[Symbol.asyncDispose]();
  const result = await run();
  expect(result).toEqual({
    submitted: 4,
    pending: 4,
    waiting: [{ reason: 'unreachable', node: 'm1.test', packets: 4 }],
    held: [],
  });
  expect(clock.now()).toBeLessThanOrEqual(start + 300_000);
  expect(await outbox.queued()).toHaveLength(4);
});

test('without time nothing is tried', async () => {
  const mix = await mixCalled('m1.test');
  const { run } = await scene([mix], 2);
  expect(await run({ deadline: start })).toMatchObject({
    submitted: 0,
    pending: 2,
    waiting: [{ reason: 'not-tried', packets: 2 }],
  });
  expect(mix.packets).toEqual([]);
});

test('a packet whose time is over before it is tried again waits for what it waited for', async () => {
  const mix = await mixCalled('m1.test');
  const { run, clock } = await scene([mix], 2);
  await mix[Symbol.asyncDispose]();
  const deadline = start + 60_000;
  const wait = (): void => {
    clock.ms = deadline;
  };
  const result = await run({ deadline, onPause: wait });
  expect(result.waiting).toEqual([{ reason: 'unreachable', node: 'm1.test', packets: 2 }]);
});

test('a signal ends the tries and keeps the packets', async () => {
  const mix = await mixCalled('m1.test');
  const { run, outbox } = await scene([mix], 2);
  const stop = new AbortController();
  mix.answer = () => {
    stop.abort();
    return 'defer';
  };
  expect(await run({ signal: stop.signal })).toMatchObject({ submitted: 0, pending: 2 });
  expect(await outbox.queued()).toHaveLength(2);
});

test('a wrong pin gets no packet, and is not asked again for each', async () => {
  const [wrong, right] = [
    await mixCalled('m1.test', { tlsPin: 'ab'.repeat(32) }),
    await mixCalled('m2.test'),
  ];
  const { outbox, run } = await scene([wrong, right], 3);
  expect(await run()).toEqual({
    submitted: 3,
    pending: 3,
    waiting: [],
    held: [{ reason: 'wrong-pin', node: 'm1.test', packets: 3 }],
  });
  expect(wrong.packets).toEqual([]);
  expect(await outbox.queued()).toHaveLength(3);
});

test('what a mix refuses is kept, and its other packets still go', async () => {
  const mix = await mixCalled('m1.test');
  const { outbox, run } = await scene([mix], 4);
  let asked = 0;
  mix.answer = () => (++asked === 2 ? 'refuse' : 'accept');
  expect(await run()).toMatchObject({
    submitted: 3,
    pending: 1,
    held: [{ reason: 'refused', node: 'm1.test', packets: 1 }],
  });
  expect(await outbox.queued()).toHaveLength(1);
  expect(await run()).toMatchObject({ submitted: 1, pending: 0 });
});

test('expired packets and those of a mix that has left are kept and told', async () => {
  const mix = await mixCalled('m1.test');
  const old = await scene([mix], 2, start / 1000);
  expect(await old.run()).toMatchObject({ pending: 2, held: [{ reason: 'expired', packets: 2 }] });
  const left = await scene([mix], 2);
  expect(await left.run({ hopTo: async () => ({ kind: 'unknown' }) })).toMatchObject({
    pending: 2,
    held: [{ reason: 'no-such-node', node: mix.entry.id, packets: 2 }],
  });
  expect(await left.run({ hopTo: async () => ({ kind: 'no-consensus' }) })).toMatchObject({
    pending: 2,
    waiting: [{ reason: 'no-consensus', packets: 2 }],
  });
  expect(mix.packets).toEqual([]);
});

test('two at work on one outbox: nothing is lost, and both agree that it is empty', async () => {
  const mix = await mixCalled('m1.test');
  const { outbox, run } = await scene([mix], 8);
  const results = await Promise.all([run(), run()]);
  expect(results.map(({ pending }) => pending)).toEqual([0, 0]);
  expect(new Set(mix.packets.map((packet) => Buffer.from(packet).toString('hex'))).size).toBe(8);
  expect(await outbox.queued()).toEqual([]);
});

test('a file that cannot be read now is no damaged one: it is tried again', async () => {
  const mix = await mixCalled('m1.test');
  const { outbox, run } = await scene([mix], 1);
  const [set] = await outbox.list();
  const [packet] = await outbox.queued(set?.id);
  let reads = 0;
  const unlucky = {
    set: set?.id ?? '',
    remove: async () => packet?.remove(),
    async load() {
      reads += 1;
      if (reads === 1) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
      return packet?.load();
    },
  };
  expect(await run({}, [unlucky])).toMatchObject({ submitted: 1, pending: 0, held: [] });
  expect(reads).toBe(2);
});
