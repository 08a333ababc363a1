import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isDomain } from './domain.ts';
import { decodeRouting, encodeRouting, leastRoutingBytes, type Routing } from './routing.ts';

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const domain = fc
  .tuple(fc.array(label, { maxLength: 6 }), fc.stringMatching(/^[a-z]{2,8}$/))
  .map(([labels, last]) => [...labels, last].join('.'));
const delayMs = fc.nat(2 ** 32 - 1);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const routing: fc.Arbitrary<Routing> = fc.oneof(
  fc.record({ kind: fc.constant('relay' as const), delayMs, nextNode: bytes(32) }),
  fc.record({ kind: fc.constant('exit' as const), delayMs, domain }),
  fc.record({ kind: fc.constant('reply' as const), delayMs, surbId: bytes(16), domain }),
);
const size = fc.integer({ min: leastRoutingBytes, max: 400 });

test('a decoded block is what was encoded', () => {
  fc.assert(
    fc.property(routing, size, (value, routingBytes) => {
      const block = encodeRouting(value, routingBytes);
      expect(block).toHaveLength(routingBytes);
      expect(decodeRouting(block, value.kind !== 'relay')).toEqual(value);
      expect(decodeRouting(block, value.kind === 'relay')).toBe('bad-command');
    }),
  );
});

describe('a block has one encoding', () => {
  test('what decodes after a change encodes to what it decoded from', () => {
    fc.assert(
      fc.property(
        routing,
        size,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (value, routingBytes, position, change) => {
          const block = encodeRouting(value, routingBytes);
          block[position % routingBytes] = (block[position % routingBytes] ?? 0) ^ change;
          for (const last of [false, true]) {
            const decoded = decodeRouting(block, last);
            const again = typeof decoded === 'string' ? block : encodeRouting(decoded, routingBytes);
            expect(again).toEqual(block);
          }
        },
      ),
    );
  });

  test('noise is refused or canonical, and never thrown at', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: leastRoutingBytes, maxLength: 400 }),
        fc.boolean(),
        (block, last) => {
          const decoded = decodeRouting(block, last);
          const again = typeof decoded === 'string' ? block : encodeRouting(decoded, block.length);
          expect(again).toEqual(block);
        },
      ),
    );
  });

  test('every single byte outside the fields of a block is refused when it is not zero', () => {
    const exit = encodeRouting({ kind: 'exit', delayMs: 0, domain: 'b.test' }, 320);
    for (let position = 5; position < 320; position++) {
      if (position >= 53 && position < 60) continue; // the domain and its length
      const block = exit.slice();
      block[position] = 1;
      expect(decodeRouting(block, true)).toBe('bad-reserved');
    }
  });
});

test('a made-up domain is one', () => {
  fc.assert(
    fc.property(domain, (name) => {
      expect(isDomain(name)).toBe(true);
    }),
  );
});

test.each([
  '',
  '.',
  'a..b',
  '.a',
  'a.',
  'A.test',
  'a_b.test',
  '-a.test',
  'a-.test',
  'a b.test',
  'ä.test',
  'a.test\n',
  '127.0.0.1',
  '1',
  `${'a'.repeat(64)}.test`,
  `${'a'.repeat(63)}.`.repeat(4).slice(0, 253).concat('a'),
])('%j is no domain', (name) => {
  expect(isDomain(name)).toBe(false);
});

test.each(['a', 'a.test', 'xn--bcher-kva.example', '1.2.3.test', 'a--b.c-d', `${'a'.repeat(63)}.test`])(
  '%s is a domain',
  (name) => {
    expect(isDomain(name)).toBe(true);
  },
);

test('253 octets are the most', () => {
  const longest = `${'a'.repeat(63)}.`.repeat(4).slice(0, 253);
  expect(longest).toHaveLength(253);
  expect(isDomain(longest)).toBe(true);
  expect(isDomain(`${longest.slice(0, 250)}.aaa`)).toBe(false);
});
