import { descriptorDigest, verifyDescriptor } from '@postern/protocol/consensus';
import { expect, test, vi } from 'vitest';
import type { Answer } from '../ask.ts';
import { mostBodies } from '../ballots.ts';
import type { Body, BodyStore } from '../store/bodies.ts';
import { FakeClock, start } from '../testing/clock.ts';
import { signedNode } from '../testing/nodes.ts';
import { gather, type Wanted } from './gather.ts';

const notes = Array.from({ length: mostBodies + 6 }, (_, at) => signedNode(`node${at}.test`, start));
const all = notes.map((signed): Body & Wanted => {
  const verified = verifyDescriptor(signed);
  if (verified.kind === 'refused') throw new Error(verified.detail);
  return { id: verified.id, digest: descriptorDigest(signed), signed, from: ['a.test', 'b.test'] };
});
const byDigest = new Map(all.map((one) => [one.digest, one.signed]));

const answer = (value: unknown): Answer => ({
  kind: 'answer',
  status: 200,
  date: undefined,
  text: JSON.stringify(value),
});
const give = (body = ''): Answer => answer(body.split('\n').flatMap((digest) => byDigest.get(digest) ?? []));
const never = (): Promise<Answer> => new Promise(() => {});

type Peer = (body: string | undefined) => Answer | Promise<Answer>;

function collect(wanted: readonly Wanted[], others: Record<string, Peer>, here: readonly Body[] = []) {
  const kept = new Map<string, string>();
  const registered = new Map(here.map(({ digest, signed }) => [digest, signed]));
  const complete = vi.fn<() => void>();
  const failed = vi.fn<(error: unknown) => void>();
  const keepBodies = vi.fn<BodyStore['keepBodies']>((_, bodies) => {
    for (const { digest, signed } of bodies) kept.set(digest, signed);
  });
  const asked: string[] = [];
  const ended = new AbortController();
  const clock = new FakeClock();
  gather(wanted, {
    epoch: 7,
    store: { body: (digest) => registered.get(digest) ?? kept.get(digest), keepBodies },
    peers: {
      names: Object.keys(others),
      async ask(name, _, { body }) {
        asked.push(name);
        return (others[name] as Peer)(body);
      },
    },
    clock,
    retryMs: 50,
    signal: ended.signal,
    complete,
    failed,
  });
  return { kept, complete, failed, keepBodies, asked, clock, ended };
}

test('one that never answers keeps none of the descriptors that others have', async () => {
  const { kept, complete, keepBodies } = collect(all, { 'a.test': never, 'b.test': give });
  await vi.waitFor(() => expect(complete).toHaveBeenCalledOnce());
  expect(kept).toEqual(byDigest);
  // many at a time, and the disk is waited for as often
  expect(keepBodies).toHaveBeenCalledTimes(2);
});

test.each<[string, Peer]>([
  [
    'others',
    () =>
      answer(
        notes
          .toReversed()
          .slice(0, 3)
          .map((signed) => signed.replace('"mix"', '"mux"')),
      ),
  ],
  ['no list', () => answer({})],
  ['what is no text', () => answer([7, null, 'x'.repeat(40_000)])],
  ['none', () => answer([])],
])('of one that gives %s nothing is kept, and others are asked', async (_, peer) => {
  const wanted = all.slice(0, 3);
  const { kept, complete } = collect(wanted, { 'a.test': peer, 'b.test': give });
  await vi.waitFor(() => expect(complete).toHaveBeenCalledOnce());
  expect([...kept]).toEqual(wanted.map(({ digest, signed }) => [digest, signed]));
});

test('only those are asked who have named it, and again once they cannot be reached', async () => {
  let times = 0;
  const late: Peer = (body) => (times++ === 0 ? { kind: 'unreachable', why: 'is away' } : give(body));
  const wanted = [{ ...(all[0] as Wanted), from: ['b.test'] }];
  const { complete, clock, asked } = collect(wanted, { 'a.test': give, 'b.test': late });
  await vi.waitFor(() => expect(asked).toEqual(['b.test']));
  await vi.waitFor(() => expect(clock.next()).toBeLessThan(Number.POSITIVE_INFINITY));
  clock.advance(50);
  await vi.waitFor(() => expect(complete).toHaveBeenCalledOnce());
  expect(asked).toEqual(['b.test', 'b.test']);
});

test('what is registered here is kept as it was, before the node registers anew', () => {
  const { kept, complete, asked } = collect(all, { 'a.test': never }, all);
  expect(complete).toHaveBeenCalledOnce();
  expect(kept).toEqual(byDigest);
  expect(asked).toEqual([]);
});

test('a store that fails is told, and it is tried again', async () => {
  const { keepBodies, failed, complete, clock } = collect(all.slice(0, 2), { 'a.test': give });
  keepBodies.mockImplementationOnce(() => {
    throw new Error('the disk is full');
  });
  await vi.waitFor(() => expect(failed).toHaveBeenCalledOnce());
  clock.advance(50);
  await vi.waitFor(() => expect(complete).toHaveBeenCalledOnce());
});
