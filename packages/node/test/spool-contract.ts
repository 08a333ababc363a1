import type { Fragment } from '@postern/protocol/envelope';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Relay, relayExpiresGridMs, type Spool, type Verdict } from '../src/spool.ts';
import { type FakeClock, fakeClock, message, seeded } from './support.ts';

/** One place where a store keeps its data; opened again and again, as a process would that restarts. */
export interface Site {
  /** Lease 60 s. */
  open(clock: FakeClock, options?: { maxBytes?: number }): Promise<Spool>;
  dispose(): Promise<void>;
}

const leaseMs = 60_000;
const unitBytes = 32_768;
const random = seeded('spool contract');
const start = Date.UTC(2030, 0, 1, 0, 0, 0);

export function unit(kind: 'packet' | 'exit' = 'packet'): { kind: 'packet' | 'exit'; bytes: Uint8Array } {
  const bytes = random.bytes(unitBytes);
  bytes[0] = kind === 'exit' ? 0x81 : 0x01; // what a receiver tells them apart by (spec packet 10)
  return { kind, bytes };
}

export function relayVerdict(relay: Partial<Relay> = {}, epoch = 7): Extract<Verdict, { kind: 'relay' }> {
  return {
    kind: 'relay',
    epoch,
    replayTag: random.bytes(32),
    relay: {
      next: { kind: 'node', id: Buffer.from(random.bytes(32)).toString('hex') },
      dueMs: start,
      expiresMs: start + 5 * 86_400_000,
      bytes: random.bytes(unitBytes),
      ...relay,
    },
  };
}

export function fragment(of: Partial<Fragment> = {}): Fragment {
  return {
    recipient: 'bob@b.test',
    setId: random.bytes(16),
    index: 0,
    k: 1,
    n: 1,
    totalBytes: 100,
    expires: start / 1_000 + 86_400,
    returnInfo: new Uint8Array(),
    attestation: new Uint8Array(),
    data: message(random, 100),
    ...of,
  };
}

/** What every store of a node has to hold. */
export function spoolContract(name: string, createSite: () => Promise<Site>): void {
  describe(`the spool's contract, ${name}`, () => {
    let site: Site;
    let clock: FakeClock;
    let spool: Spool;

    beforeEach(async () => {
      site = await createSite();
      clock = fakeClock(start);
      spool = await site.open(clock);
    });
    afterEach(async () => {
      await spool.close();
      await site.dispose();
    });
    const restart = async (): Promise<void> => {
      await spool.close();
      spool = await site.open(clock);
    };
    const accepted = async (kind: 'packet' | 'exit' = 'packet') => {
      await spool.accept(unit(kind));
      const [input] = await spool.claimInputs(kind, 1);
      if (input === undefined) throw new Error('nothing to claim');
      return input;
    };
    /** Stores a relay that waits unclaimed. */
    const waiting = async (relay: Partial<Relay> = {}) => {
      const settled = await spool.settle((await accepted()).id, relayVerdict(relay));
      if (settled.kind !== 'waiting') throw new Error(settled.kind);
      await spool.relays.release([settled.waiting.id]);
      return settled.waiting;
    };
    const add = async (one: Fragment) =>
      spool.settle((await accepted('exit')).id, { kind: 'fragment', fragment: one });

    describe('inputs', () => {
      test('what was accepted is claimed byte for byte, after a restart too', async () => {
        const units = Array.from({ length: 20 }, () => unit());
        await Promise.all(units.map((one) => spool.accept(one)));
        await restart();
        const inputs = await spool.claimInputs('packet', 100);
        const sorted = (all: { bytes: Uint8Array }[]) =>
          all.map(({ bytes }) => Buffer.from(bytes).toString('hex')).sort();
        expect(sorted(inputs)).toEqual(sorted(units));
      });

      test('kinds are claimed apart', async () => {
        await spool.accept(unit('exit'));
        expect(await spool.claimInputs('packet', 1)).toEqual([]);
        expect(await spool.claimInputs('exit', 1)).toHaveLength(1);
      });

      test('a claim takes no more than its limit, and nobody else gets the same', async () => {
        await Promise.all(Array.from({ length: 10 }, () => spool.accept(unit())));
        const claims = await Promise.all([1, 2, 3].map(() => spool.claimInputs('packet', 4)));
        const ids = claims.flat().map(({ id }) => id);
        expect(claims.map((claim) => claim.length).sort((a, b) => a - b)).toEqual([2, 4, 4]);
        expect(new Set(ids).size).toBe(10);
      });

      test('are claimed in an order that is not that of arrival', async () => {
        const units = Array.from({ length: 12 }, () => unit());
        for (const one of units) await spool.accept(one);
        const inputs = await spool.claimInputs('packet', 12);
        const places = inputs.map(({ bytes }) =>
          units.findIndex((one) => Buffer.compare(one.bytes, bytes) === 0),
        );
        expect([...places].sort((a, b) => a - b)).toEqual(units.map((_, place) => place));
        expect(places).not.toEqual(units.map((_, place) => place));
      });

      test('released, or after the lease, or after a restart, they are anybody’s again', async () => {
        const { id } = await accepted();
        expect(await spool.claimInputs('packet', 1)).toEqual([]);
        await spool.releaseInputs([id]);
        expect(await spool.claimInputs('packet', 1)).toMatchObject([{ id }]);
        await clock.advance(leaseMs);
        expect(await spool.claimInputs('packet', 1)).toMatchObject([{ id }]);
        await restart();
        expect(await spool.claimInputs('packet', 1)).toMatchObject([{ id }]);
      });

      test('accepting and releasing wake whoever waits', async () => {
        const { signal } = new AbortController();
        const woken = spool.wakeInputs('packet', signal).then(() => spool.claimInputs('packet', 1));
        await spool.accept(unit());
        const claimed = await woken;
        expect(claimed).toHaveLength(1);
        const again = spool.wakeInputs('packet', signal).then(() => spool.claimInputs('packet', 1));
        await spool.releaseInputs(claimed.map(({ id }) => id));
        expect(await again).toEqual(claimed);
      });

      test('deferred, they are kept and claimed by nobody until they are taken up again', async () => {
        const [first, second] = [await accepted('exit'), await accepted('exit')];
        for (const { id } of [first, second])
          expect(await spool.settle(id, { kind: 'deferred' })).toEqual({ kind: 'deferred' });
        await clock.advance(leaseMs);
        await restart();
        expect(await spool.claimInputs('exit', 2)).toEqual([]);
        expect(await spool.counts()).toMatchObject({ inputs: 2 });
        const other = await accepted('exit');
        const woken = spool.wakeInputs('exit', new AbortController().signal);
        await spool.resumeDeferred();
        await woken;
        const claimed = await spool.claimInputs('exit', 3);
        const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
        expect(claimed.sort(byId)).toEqual([first, second].sort(byId));
        for (const { id } of [...claimed, other]) await spool.settle(id, { kind: 'refused' });
        expect(await spool.counts()).toMatchObject({ inputs: 0 });
      });

      test('one that somebody else deferred can still be settled, and one that has gone is not deferred', async () => {
        const { id } = await accepted('exit');
        await spool.settle(id, { kind: 'deferred' });
        expect(await spool.settle(id, { kind: 'deferred' })).toEqual({ kind: 'gone' });
        expect(await spool.settle(id, { kind: 'refused' })).toEqual({ kind: 'refused' });
        expect(await spool.settle(id, { kind: 'deferred' })).toEqual({ kind: 'gone' });
        expect(await spool.counts()).toMatchObject({ inputs: 0 });
      });

      test('waiting ends with the signal', async () => {
        const stop = new AbortController();
        const waits = [spool.wakeInputs('exit', stop.signal), spool.relays.wake(stop.signal)];
        stop.abort();
        for (const wait of waits) await expect(wait).rejects.toMatchObject({ name: 'AbortError' });
      });
    });

    test('after `sync` what was done before is there', async () => {
      const verdict = relayVerdict();
      expect((await spool.settle((await accepted()).id, verdict)).kind).toBe('waiting');
      await spool.sync();
      await restart();
      expect(await spool.counts()).toMatchObject({ inputs: 0, relays: 1 });
      expect((await spool.settle((await accepted()).id, verdict)).kind).toBe('replayed');
    });

    describe('settling', () => {
      test('a refused input is gone', async () => {
        const { id } = await accepted();
        expect(await spool.settle(id, { kind: 'refused' })).toEqual({ kind: 'refused' });
        await restart();
        expect(await spool.counts()).toEqual({ inputs: 0, relays: 0, fragments: 0, deliveries: 0 });
      });

      test('a relay takes its input’s place, claimed, with its exact due time', async () => {
        const verdict = relayVerdict({ dueMs: start + 1_234 });
        const settled = await spool.settle((await accepted()).id, verdict);
        expect(settled).toMatchObject({ kind: 'waiting', waiting: { dueMs: start + 1_234, attempts: 0 } });
        expect(await spool.counts()).toMatchObject({ inputs: 0, relays: 1 });
        if (settled.kind !== 'waiting') return;
        expect(settled.waiting.next).toEqual(verdict.relay.next);
        expect(await spool.relays.read(settled.waiting.id)).toEqual(verdict.relay.bytes);
        await clock.advance(5_000);
        expect(await spool.relays.claim(10)).toEqual([]);
      });

      test('a relay that is left on the shelf is anybody’s once it is due, and wakes whoever waits', async () => {
        const verdict = { ...relayVerdict({ dueMs: start + 1_234 }), shelved: true };
        const { id } = await accepted();
        const woken = spool.relays.wake(new AbortController().signal);
        expect(await spool.settle(id, verdict)).toEqual({ kind: 'shelved' });
        await woken;
        expect(await spool.relays.claim(10)).toEqual([]);
        expect(await spool.relays.nextDue()).toBe(start + 2_000);
        expect((await spool.settle((await accepted()).id, verdict)).kind).toBe('replayed');
        expect(await spool.counts()).toMatchObject({ inputs: 0, relays: 1 });
        await clock.advance(2_000);
        const [relay] = await spool.relays.claim(10);
        expect(relay).toMatchObject({ next: verdict.relay.next, dueMs: start + 2_000, attempts: 0 });
        expect(await spool.relays.read(relay?.id ?? '')).toEqual(verdict.relay.bytes);
      });

      test('a replay tag is taken once, in its epoch, after a restart too', async () => {
        const verdict = relayVerdict();
        expect((await spool.settle((await accepted()).id, verdict)).kind).toBe('waiting');
        expect((await spool.settle((await accepted()).id, verdict)).kind).toBe('replayed');
        await restart();
        expect((await spool.settle((await accepted()).id, verdict)).kind).toBe('replayed');
        expect(await spool.counts()).toMatchObject({ inputs: 0, relays: 1 });
        const later = { ...verdict, epoch: verdict.epoch + 1 };
        expect((await spool.settle((await accepted()).id, later)).kind).toBe('waiting');
      });

      test('of two equal packets settled at the same time one is relayed', async () => {
        const verdict = relayVerdict();
        const inputs = [await accepted(), await accepted(), await accepted()];
        const kinds = await Promise.all(inputs.map(({ id }) => spool.settle(id, verdict)));
        expect(kinds.map(({ kind }) => kind).sort()).toEqual(['replayed', 'replayed', 'waiting']);
      });

      test('an input is settled once: who comes second changes nothing', async () => {
        const { id } = await accepted();
        await spool.settle(id, { kind: 'refused' });
        const verdict = relayVerdict();
        expect((await spool.settle(id, verdict)).kind).toBe('gone');
        expect(await spool.counts()).toMatchObject({ relays: 0 });
        expect((await spool.settle((await accepted()).id, verdict)).kind).toBe('waiting');
      });

      test('replay tags go with their epoch', async () => {
        const [old, fresh] = [relayVerdict({}, 7), relayVerdict({}, 8)];
        for (const verdict of [old, fresh]) await spool.settle((await accepted()).id, verdict);
        await spool.forgetTags(8);
        expect((await spool.settle((await accepted()).id, old)).kind).toBe('waiting');
        expect((await spool.settle((await accepted()).id, fresh)).kind).toBe('replayed');
      });
    });

    describe('relays', () => {
      test('are claimed once due, those due first first', async () => {
        const late = await waiting({ dueMs: start + 60_000 });
        const soon = await waiting({ dueMs: start + 20_000 });
        const never = await waiting({ dueMs: start + 600_000 });
        expect(await spool.relays.claim(10)).toEqual([]);
        expect(await spool.relays.nextDue()).toBe(start + 20_000);
        await clock.advance(60_000);
        expect((await spool.relays.claim(10)).map(({ id }) => id)).toEqual([soon.id, late.id]);
        expect(await spool.relays.nextDue()).toBe(start + 600_000);
        await restart();
        await clock.advance(600_000);
        expect((await spool.relays.claim(10)).map(({ id }) => id)).toEqual([soon.id, late.id, never.id]);
      });

      test('come back from disk as they were, with coarse times that are never early', async () => {
        const domain = { kind: 'domain', domain: 'b.test' } as const;
        const { id } = await waiting({ next: domain, dueMs: start + 1_234, expiresMs: start + 7_000_001 });
        await restart();
        await clock.advance(10_000);
        const [relay] = await spool.relays.claim(1);
        expect(relay).toMatchObject({ id, next: domain, attempts: 0 });
        expect(relay?.dueMs).toBe(start + 2_000);
        expect(relay?.expiresMs).toBe(start + relayExpiresGridMs);
      });

      test('retried, they count the attempt and wait', async () => {
        const { id } = await waiting();
        await spool.relays.claim(1);
        const woken = spool.relays.wake(new AbortController().signal);
        await spool.relays.retry(id, start + 30_000);
        await woken;
        expect(await spool.relays.claim(1)).toEqual([]);
        await restart();
        await clock.advance(30_000);
        expect(await spool.relays.claim(1)).toMatchObject([{ id, attempts: 1 }]);
      });

      test('postponed, they are due again later as if nobody had tried', async () => {
        const { id } = await waiting();
        await spool.relays.claim(1);
        await spool.relays.postpone(id, start + 30_000);
        expect(await spool.relays.claim(1)).toEqual([]);
        expect(await spool.relays.nextDue()).toBe(start + 30_000);
        await restart();
        await clock.advance(30_000);
        expect(await spool.relays.claim(1)).toMatchObject([{ id, attempts: 0 }]);
      });

      test('finished, they are gone, and finishing again does nothing', async () => {
        const { id } = await waiting();
        await spool.relays.claim(1);
        await spool.relays.finish(id);
        await spool.relays.finish(id);
        expect(await spool.relays.read(id)).toBeUndefined();
        await restart();
        expect(await spool.counts()).toMatchObject({ relays: 0 });
        expect(await spool.relays.nextDue()).toBeUndefined();
      });

      test('what is given up, or is due earlier than others that are claimed, may be claimed', async () => {
        const claim = async () => (await spool.relays.claim(9)).map(({ id }) => id).sort();
        const ids: string[] = [];
        for (const dueMs of [10_000, 20_000, 30_000, 90_000])
          ids.push((await waiting({ dueMs: start + dueMs })).id);
        const [first = '', second = '', third = '', last = ''] = ids;
        await clock.advance(60_000);
        expect(await claim()).toEqual([first, second, third].sort());
        expect(await claim()).toEqual([]);
        await spool.relays.release([second]);
        expect(await claim()).toEqual([second]);
        await spool.relays.retry(third, start + 5_000);
        expect(await claim()).toEqual([third]);
        const early = await waiting({ dueMs: start + 1_000 });
        expect(await claim()).toEqual([early.id]);
        await spool.relays.finish(first);
        await clock.advance(30_000);
        expect(await claim()).toEqual([last]);
        await clock.advance(leaseMs + 60_000);
        expect(await claim()).toEqual([early.id, second, third, last].sort());
      });

      test('a claim lasts from the due time for the lease', async () => {
        const settled = await spool.settle((await accepted()).id, relayVerdict({ dueMs: start + 3_600_000 }));
        await clock.advance(3_600_000 + leaseMs - 1);
        expect(await spool.relays.claim(1)).toEqual([]);
        await clock.advance(1);
        const id = settled.kind === 'waiting' ? settled.waiting.id : '';
        expect(await spool.relays.claim(1)).toMatchObject([{ id }]);
      });

      test('expired, they are swept and counted, unless someone holds them', async () => {
        await waiting({ expiresMs: start + 1_000 });
        const held = await waiting({ expiresMs: start + 1_000 });
        await waiting({ expiresMs: start + 2 * relayExpiresGridMs });
        await clock.advance(relayExpiresGridMs);
        const claimed = await spool.relays.claim(3);
        await spool.relays.release(claimed.map(({ id }) => id).filter((id) => id !== held.id));
        expect(await spool.sweep()).toEqual({ relays: 1 });
        expect(await spool.counts()).toMatchObject({ relays: 2 });
      });
    });

    describe('sets', () => {
      const set = (count: number): Fragment[] => {
        const setId = random.bytes(16);
        return Array.from({ length: count }, (_, index) => fragment({ setId, index, k: count, n: count }));
      };

      test('are complete with the last fragment, in whatever order, after restarts too', async () => {
        const [a, b, c] = set(3) as [Fragment, Fragment, Fragment];
        expect((await add(c)).kind).toBe('stored');
        await restart();
        expect((await add(a)).kind).toBe('stored');
        expect(await spool.sets.claim(1)).toEqual([]);
        expect((await add(b)).kind).toBe('complete');
        expect(await spool.sets.claim(1)).toEqual([]);
        expect(await spool.counts()).toMatchObject({ inputs: 0, fragments: 3, deliveries: 1 });
        await restart();
        const [complete] = await spool.sets.claim(1);
        expect(await spool.sets.read(complete?.id ?? '')).toEqual([a, b, c]);
      });

      test('k of n: complete with k, what comes later is a duplicate once delivered', async () => {
        const fragments = set(3).map((one) => ({ ...one, k: 2 })) as [Fragment, Fragment, Fragment];
        expect((await add(fragments[0])).kind).toBe('stored');
        const done = await add(fragments[2]);
        expect(done.kind).toBe('complete');
        if (done.kind === 'complete') await spool.sets.finish(done.complete.id);
        expect((await add(fragments[1])).kind).toBe('duplicate');
        expect(await spool.counts()).toEqual({ inputs: 0, relays: 0, fragments: 0, deliveries: 0 });
      });

      test('a fragment counts once, before and after delivery, until the set expires', async () => {
        const [a, b] = set(2) as [Fragment, Fragment];
        await add(a);
        expect((await add(a)).kind).toBe('duplicate');
        const done = await add(b);
        if (done.kind !== 'complete') throw new Error(done.kind);
        expect((await add(b)).kind).toBe('duplicate');
        await spool.sets.finish(done.complete.id);
        await restart();
        expect((await add(a)).kind).toBe('duplicate');
        await clock.advance(86_400_000);
        expect(await spool.sweep()).toEqual({ relays: 0 });
        expect((await add(a)).kind).toBe('stored');
      });

      test('retried, they wait; released, they do not', async () => {
        const [one] = set(1) as [Fragment];
        const done = await add(one);
        if (done.kind !== 'complete') throw new Error(done.kind);
        await spool.sets.release([done.complete.id]);
        expect(await spool.sets.claim(1)).toMatchObject([{ id: done.complete.id, attempts: 0 }]);
        await spool.sets.retry(done.complete.id, start + 10_000);
        expect(await spool.sets.claim(1)).toEqual([]);
        expect(await spool.sets.nextDue()).toBe(start + 10_000);
        await clock.advance(10_000);
        expect(await spool.sets.claim(1)).toMatchObject([{ id: done.complete.id, attempts: 1 }]);
      });

      test('expired, they are claimed as what they are, until they are released, and finished like others', async () => {
        await add((set(2) as [Fragment, Fragment])[0]);
        const done = await add((set(1) as [Fragment])[0]);
        if (done.kind === 'complete') await spool.sets.release([done.complete.id]);
        expect(await spool.sets.claimExpired(10)).toEqual([]);
        await clock.advance(86_400_000);
        await spool.sweep();
        const expired = await spool.sets.claimExpired(10);
        expect(expired.map(({ complete }) => complete).sort()).toEqual([false, true]);
        expect(await spool.sets.claimExpired(10)).toEqual([]);
        await spool.sets.release(expired.map(({ id }) => id));
        expect(await spool.sets.claimExpired(10)).toHaveLength(2);
        for (const { id } of expired) await spool.sets.finish(id);
        expect(await spool.counts()).toEqual({ inputs: 0, relays: 0, fragments: 0, deliveries: 0 });
      });

      test('finished with a report, that leaves like any relay', async () => {
        const done = await add((set(1) as [Fragment])[0]);
        if (done.kind !== 'complete') throw new Error(done.kind);
        const { relay } = relayVerdict();
        const woken = spool.relays.wake(new AbortController().signal);
        await spool.sets.finish(done.complete.id, relay);
        await woken;
        await restart();
        const [claimed] = await spool.relays.claim(1);
        expect(claimed).toMatchObject({ next: relay.next });
        expect(await spool.relays.read(claimed?.id ?? '')).toEqual(relay.bytes);
        expect(await spool.counts()).toMatchObject({ fragments: 0, deliveries: 0 });
      });

      test('finished twice, as after a lease that ended, it is reported once', async () => {
        const done = await add((set(1) as [Fragment])[0]);
        if (done.kind !== 'complete') throw new Error(done.kind);
        await spool.sets.finish(done.complete.id, relayVerdict().relay);
        await spool.sets.finish(done.complete.id, relayVerdict().relay);
        await spool.sets.finish('00'.repeat(16), relayVerdict().relay);
        expect(await spool.relays.claim(9)).toHaveLength(1);
      });

      test('the fragment with return information is found, whichever it is', async () => {
        const [a, b] = set(3) as [Fragment, Fragment, Fragment];
        const asking = { ...b, returnInfo: Uint8Array.of(1, 2) };
        const id = Buffer.from(a.setId).toString('hex');
        await add(a);
        expect(await spool.sets.returnInfo(id)).toBeUndefined();
        await add(asking);
        expect(await spool.sets.returnInfo(id)).toEqual(asking);
      });
    });

    describe('sets that are never completed', () => {
      const maxBytes = 200 * unitBytes;
      const begun = (of: Partial<Fragment> = {}): Fragment =>
        fragment({ k: 2, n: 2, totalBytes: 40_000, data: random.bytes(20_000), ...of });

      test('take a quarter of the room at most, and keep nobody else out', async () => {
        await spool.close();
        spool = await site.open(clock, { maxBytes });
        for (let n = 0; n < 150; n++) expect((await add(begun())).kind).toBe('stored');
        const { fragments } = await spool.counts();
        expect(fragments).toBeGreaterThan(50);
        expect(fragments * 20_000).toBeLessThanOrEqual(maxBytes / 4);
        const honest = begun();
        await add(honest);
        expect((await add({ ...honest, index: 1 })).kind).toBe('complete');
        await restart();
        expect(await spool.counts()).toMatchObject({ deliveries: 1 });
      });

      test('which of them go is up to chance, and complete ones never do', async () => {
        await spool.close();
        spool = await site.open(clock, { maxBytes });
        await add(fragment());
        const sets = Array.from({ length: 120 }, () => begun());
        for (const one of sets) await add(one);
        const there = await Promise.all(sets.map(async (one) => (await add(one)).kind === 'duplicate'));
        const early = there.slice(0, 60).filter(Boolean).length;
        expect(early).toBeGreaterThan(5);
        expect(early).toBeLessThan(55);
        expect(await spool.counts()).toMatchObject({ deliveries: 1 });
      });
    });

    describe('faults', () => {
      test('a full spool refuses units, works off what it has, and then accepts again', async () => {
        await spool.close();
        spool = await site.open(clock, { maxBytes: 20 * unitBytes });
        let taken = 0;
        const fill = async (): Promise<never> => {
          for (;;) {
            await spool.accept(unit());
            taken++;
          }
        };
        await expect(fill()).rejects.toMatchObject({ code: 'spool-full', hint: expect.any(String) });
        expect(taken).toBeGreaterThan(5);
        expect(await spool.counts()).toMatchObject({ inputs: taken });
        for (const { id } of await spool.claimInputs('packet', 4))
          await spool.settle(id, { kind: 'refused' });
        await spool.accept(unit());
      });

      test('after close everything is refused', async () => {
        await spool.close();
        await expect(spool.accept(unit())).rejects.toMatchObject({ code: 'spool-closed' });
        await expect(spool.relays.claim(1)).rejects.toMatchObject({ code: 'spool-closed' });
      });

      test('closing finishes what was asked for before', async () => {
        const asked = Promise.all(Array.from({ length: 30 }, () => spool.accept(unit())));
        await spool.close();
        await asked;
        spool = await site.open(clock);
        expect(await spool.counts()).toMatchObject({ inputs: 30 });
      });
    });
  });
}
