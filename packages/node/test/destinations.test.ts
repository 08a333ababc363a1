import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDestinations, type Destinations } from '../src/destinations.ts';
import type { FoundDestination } from '../src/names.ts';
import { type FakeClock, fakeClock, seeded } from './support.ts';

const start = Date.UTC(2033, 0, 2);
const found: FoundDestination = {
  kind: 'found',
  peers: [{ host: '192.0.2.1', port: 25, tls: { kind: 'opportunistic' } }],
  tls: 'require',
  ttlSeconds: 600,
};

let clock: FakeClock;
let destinations: Destinations;
/** Every look-up that has begun. */
let asked: string[];
/** Those that have not ended. */
let open: Map<string, PromiseWithResolvers<FoundDestination>>;

beforeEach(() => {
  clock = fakeClock(start);
  asked = [];
  open = new Map();
  destinations = createDestinations({
    clock,
    random: seeded('destinations'),
    lookUp(domain, signal) {
      const answer = Promise.withResolvers<FoundDestination>();
      asked.push(domain);
      open.set(domain, answer);
      signal.addEventListener('abort', () => answer.reject(signal.reason as Error), { once: true });
      return answer.promise.finally(() => open.delete(domain));
    },
  });
});
afterEach(() => destinations.close());

async function answer(domain: string, exit: FoundDestination): Promise<void> {
  open.get(domain)?.resolve(exit);
  await setImmediate();
}

/** Domains whose name servers never answer, each in a zone of its own. */
const silent = (count: number): string[] => Array.from({ length: count }, (_, at) => `d${at}.test`);

test('a domain is asked for once, whatever number of relays wants it, and its answer holds as long as its records', async () => {
  for (let at = 0; at < 5; at++) expect(destinations.find('b.test')).toEqual({ kind: 'asking' });
  expect(asked).toEqual(['b.test']);
  await answer('b.test', found);
  expect(destinations.find('b.test')).toEqual({ kind: 'found', peers: found.peers, tls: 'require' });
  await clock.advance(599_000);
  expect(destinations.find('b.test').kind).toBe('found');
  expect(asked).toHaveLength(1);
  await clock.advance(2_000);
  expect(destinations.find('b.test')).toEqual({ kind: 'asking' });
  expect(asked).toHaveLength(2);
});

test.each([
  [0, 59_000, 2_000],
  [1_000_000, 3_599_000, 2_000],
])('an answer of %d seconds is taken for no shorter and no longer', async (ttlSeconds, holds, more) => {
  destinations.find('b.test');
  await answer('b.test', { ...found, ttlSeconds });
  await clock.advance(holds);
  expect(destinations.find('b.test').kind).toBe('found');
  await clock.advance(more);
  expect(destinations.find('b.test').kind).toBe('asking');
});

test('that a domain takes no part is remembered as well', async () => {
  destinations.find('c.test');
  await answer('c.test', { kind: 'no-part', ttlSeconds: 300 });
  await clock.advance(299_000);
  expect(destinations.find('c.test')).toEqual({ kind: 'no-part' });
  expect(asked).toHaveLength(1);
});

test('a look-up ends at its deadline, and the domain is asked for again at growing intervals', async () => {
  const times: number[] = [];
  for (let at = 0; at < 10_000 && times.length < 4; at++) {
    destinations.find('evil.test');
    if (asked.length > times.length) times.push(clock.now());
    await clock.advance(5_000);
  }
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(gaps).toHaveLength(3);
  expect(gaps[0]).toBeGreaterThan(20_000);
  expect(gaps[2]).toBeGreaterThan(gaps[0] ?? 0);
});

describe('while ten thousand domains never answer', () => {
  beforeEach(() => {
    for (const domain of silent(10_000)) destinations.find(domain);
  });

  test('few are asked for at one time', async () => {
    expect(open.size).toBe(12);
    for (let at = 0; at < 20; at++) {
      await clock.advance(21_000);
      await setImmediate();
      expect(open.size).toBe(12);
    }
    expect(new Set(asked).size).toBe(asked.length);
  });

  test('those that wait are asked for in random order', async () => {
    await clock.advance(210_000);
    const order = asked.slice(12).map((domain) => Number(/\d+/.exec(domain)?.[0]));
    expect(order.length).toBeGreaterThan(12);
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
    expect(order).not.toEqual([...order].sort((a, b) => b - a));
  });

  test('an unknown one takes its turn all the same', async () => {
    let turns = 0;
    for (; !asked.includes('b.test') && turns < 10_000; turns++) {
      destinations.find('b.test');
      await clock.advance(20_000);
    }
    await answer('b.test', found);
    expect(destinations.find('b.test').kind).toBe('found');
  });
});

describe('while ten thousand names of one zone never answer', () => {
  const names = Array.from({ length: 10_000 }, (_, at) => `a.d${at}.evil.test`);

  test('few of them are asked for at one time, and another domain at once', async () => {
    for (const domain of names) destinations.find(domain);
    expect(open.size).toBe(4);
    destinations.find('b.test');
    expect(asked.at(-1)).toBe('b.test');
    await clock.advance(60_000);
    await setImmediate();
    expect([...open.keys()].filter((domain) => domain.endsWith('evil.test'))).toHaveLength(4);
  });

  test('also where all of them led on before', async () => {
    for (const domain of names.slice(0, 50)) {
      destinations.find(domain);
      await answer(domain, found);
    }
    await clock.advance(3_600_000);
    for (const domain of names.slice(0, 50)) destinations.find(domain);
    expect(open.size).toBe(4);
  });

  test('four such zones that all led on before keep an unknown domain waiting no longer', async () => {
    const zones = Array.from({ length: 4 }, (_, zone) =>
      Array.from({ length: 100 }, (_, at) => `d${at}.evil${zone}.test`),
    ).flat();
    for (const domain of zones) {
      destinations.find(domain);
      await answer(domain, found);
    }
    await clock.advance(3_600_000);
    for (const domain of zones) destinations.find(domain);
    expect(open.size).toBe(12);
    destinations.find('b.test');
    expect(asked.at(-1)).toBe('b.test');
  });

  test('a new zone is not behind them, even where few places are left', async () => {
    const zones = Array.from({ length: 3 }, (_, at) =>
      names.map((name) => name.replace('evil', `evil${at}`)),
    );
    for (const domain of zones.flat()) destinations.find(domain);
    expect(open.size).toBe(12);
    destinations.find('b.test');
    // Every place that is given back goes to one of four zones.
    let turns = 0;
    for (; !asked.includes('b.test'); turns++) await clock.advance(20_000);
    expect(turns).toBeLessThanOrEqual(3);
  });
});

test('a domain that led on before is not behind those that never answer', async () => {
  destinations.find('b.test');
  await answer('b.test', found);
  for (const domain of silent(10_000)) destinations.find(domain);
  expect(open.size).toBe(12);
  await clock.advance(3_600_000);
  destinations.find('b.test');
  expect(asked.at(-1)).toBe('b.test');
  await answer('b.test', found);
  expect(destinations.find('b.test').kind).toBe('found');
});

test('answers of domains that take no part, however many, push out none that leads on', async () => {
  destinations.find('b.test');
  await answer('b.test', found);
  for (const domain of silent(10_001)) {
    destinations.find(domain);
    open.get(domain)?.resolve({ kind: 'no-part', ttlSeconds: 3_600 });
    if (open.size >= 12) await setImmediate();
  }
  await setImmediate();
  expect(asked.length).toBeGreaterThan(10_000);
  expect(destinations.find('b.test').kind).toBe('found');
});

test('a domain that led on before stays one through a failure', async () => {
  destinations.find('b.test');
  await answer('b.test', found);
  await clock.advance(601_000);
  destinations.find('b.test');
  await answer('b.test', { kind: 'failed' });
  expect(destinations.find('b.test').kind).toBe('failed');
  for (const domain of silent(10_000)) destinations.find(domain);
  await clock.advance(30_000);
  destinations.find('b.test');
  expect(open.has('b.test')).toBe(true);
});

test('closing ends what is asked', async () => {
  for (const domain of silent(100)) destinations.find(domain);
  await destinations.close();
  expect(open.size).toBe(0);
  expect(asked).toHaveLength(12);
});

test('a look-up that never ends by itself gives its place back at its deadline', async () => {
  const begun: string[] = [];
  const deaf = createDestinations({
    clock,
    random: seeded('deaf'),
    lookUp: (domain) => {
      begun.push(domain);
      return new Promise(() => undefined);
    },
  });
  for (const domain of silent(13)) deaf.find(domain);
  expect(begun).toHaveLength(12);
  await clock.advance(20_000);
  await setImmediate();
  expect(begun).toHaveLength(13);
  await deaf.close();
});
