import { encodeBase64 } from '@postern/protocol/codec';
import { expect, test } from 'vitest';
import { rateLimit } from '../rate-limit.ts';
import { openStore } from '../store.ts';
import { configFor } from '../testing/authorities.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { signedNode } from '../testing/nodes.ts';
import { rateLimits } from './limits.ts';
import { register } from './register.ts';

const hour = epochSeconds * 1_000;
const never = 2 ** 40;
const unusable = { mixKeys: [{ epoch: 1_000, key: encodeBase64(new Uint8Array(1_216).fill(0xff)) }] };

/** An authority that takes so many, and then no more but a renewal of each node an epoch. */
function taking(most: { readonly known?: number; readonly again?: number; readonly unknown?: number }) {
  const { known = 100, again = 100, unknown = 100 } = most;
  const limits = {
    known: rateLimit(known, never),
    renewals: rateLimit(1, hour),
    again: rateLimit(again, never),
    unknown: rateLimit(unknown, never),
  };
  const store = openStore(':memory:');
  return {
    [Symbol.dispose]: () => store[Symbol.dispose](),
    /** What becomes of a node's descriptor of a time, milliseconds. */
    post(name: string, now: number, change: object = {}): string {
      const signed = signedNode(name, now, change, name, { validAfter: start / 1_000 });
      const outcome = register(signed, { config: configFor('/nowhere'), store, limits, now });
      return outcome.kind === 'refused' ? outcome.reason : outcome.kind;
    },
  };
}

test('mix keys are tried within the limits alone, and count towards them', () => {
  using authority = taking({ known: 2, unknown: 2 });
  const { post } = authority;
  expect(post('mix1.test', start)).toBe('registered');
  expect(post('mix2.test', start, unusable)).toBe('malformed');
  expect(post('mix3.test', start, unusable)).toBe('too-often');
  const again = [1, 2, 3].map((second) => post('mix1.test', start + second * 1_000, unusable));
  expect(again).toEqual(['malformed', 'malformed', 'too-often']);
});

test('nodes that register again and again keep none from a descriptor an epoch', () => {
  using authority = taking({ again: 2 });
  const { post } = authority;
  const [first, second] = ['mix1.test', 'mix2.test'];
  expect([first, second].map((name) => post(name, start))).toEqual(['registered', 'registered']);
  const again = [1, 2, 3, 4].map((at) => post(first, start + at * 1_000));
  expect(again).toEqual(['registered', 'registered', 'registered', 'too-often']);
  expect(post(second, start + 5_000)).toBe('registered');
  expect(post(second, start + 6_000)).toBe('too-often');
  const next = [1, 2].map((at) => post(first, start + hour + at * 1_000, unusable));
  expect(next).toEqual(['malformed', 'too-often']);
  expect(post(second, start + hour + 5_000)).toBe('registered');
});

test('a renewal an epoch is a node’s own, if it comes a minute early too', () => {
  const { renewals } = rateLimits(epochSeconds);
  const passed = Array.from({ length: 100 }, (_, epoch) =>
    renewals.take('a', epoch * hour - (epoch % 2) * 60_000),
  );
  expect(passed).not.toContain(false);
});
