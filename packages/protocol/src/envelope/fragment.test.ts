import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, equalBytes } from '../codec/bytes.ts';
import { encodeHex } from '../codec/hex.ts';
import { maxSealedBytes } from '../sealed/limits.ts';
import { decodeFragment, encodeFragment, type Fragment, fragmentOverhead, placeOf } from './fragment.ts';
import { join, split } from './split.ts';

const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });

/** Any fragment that can be. */
const fragments: fc.Arbitrary<Fragment> = fc
  .record({
    recipient: fc.constantFrom('bob@b.test', 'a@b', "o'neil+x@mail.example"),
    setId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    n: fc.integer({ min: 1, max: 0xffff }),
    k: fc.integer({ min: 1, max: 0xffff }),
    index: fc.nat(0xfffe),
    extra: fc.nat(3000),
    hours: fc.nat(0xffff_ffff),
    returnInfo: bytes(40),
    attestation: bytes(40),
    fill: fc.nat(255),
  })
  .map(({ n, k: drawn, index: place, extra, hours, fill, ...rest }) => {
    const k = Math.min(drawn, n);
    const index = place % n;
    const totalBytes = k + extra;
    const { length } = placeOf(index, k, totalBytes);
    return {
      ...rest,
      n,
      k,
      index,
      totalBytes,
      expires: hours * 3600,
      data: new Uint8Array(length).fill(fill),
    };
  });

const sample: Fragment = {
  recipient: 'bob@b.test',
  setId: Uint8Array.from({ length: 16 }, (_, i) => i),
  index: 1,
  k: 3,
  n: 3,
  totalBytes: 10,
  expires: 496_000 * 3600,
  returnInfo: Uint8Array.of(0xaa),
  attestation: Uint8Array.of(0xbb, 0xcc),
  data: Uint8Array.of(1, 2, 3),
};

describe('a fragment', () => {
  test('is written as the spec says', () => {
    expect(encodeHex(encodeFragment(sample))).toBe(
      [
        '01',
        '000102030405060708090a0b0c0d0e0f',
        '0001',
        '0003',
        '0003',
        '0000000a',
        '00079180',
        '0a626f6240622e74657374',
        '0001aa',
        '0002bbcc',
        '010203',
      ].join(''),
    );
  });

  test('decodes to itself, and overhead is what its data are not', () => {
    fc.assert(
      fc.property(fragments, (fragment) => {
        const encoded = encodeFragment(fragment);
        expect(decodeFragment(encoded)).toEqual({ kind: 'fragment', fragment });
        expect(encoded.length).toBe(fragmentOverhead(fragment) + fragment.data.length);
      }),
    );
  });

  test('has one encoding: what decodes encodes to the same bytes', () => {
    fc.assert(
      fc.property(fragments, fc.nat(), fc.nat(255), (fragment, place, value) => {
        const changed = encodeFragment(fragment);
        changed[place % changed.length] = value;
        const decoded = decodeFragment(changed);
        const again = decoded.kind === 'fragment' ? encodeFragment(decoded.fragment) : changed;
        expect(again).toEqual(changed);
      }),
      { numRuns: 500 },
    );
  });

  test('is refused at every other length', () => {
    const encoded = encodeFragment(sample);
    for (let length = 0; length < encoded.length; length++)
      expect(decodeFragment(encoded.subarray(0, length)).kind).toBe('refused');
    expect(decodeFragment(concat(encoded, Uint8Array.of(0)))).toEqual({
      kind: 'refused',
      reason: 'wrong-length',
    });
  });

  const at = (place: number, ...values: number[]): string => {
    const changed = encodeFragment(sample);
    changed.set(values, place);
    const decoded = decodeFragment(changed);
    return decoded.kind === 'refused' ? decoded.reason : 'taken';
  };

  test('has a reason for each mistake', () => {
    expect(decodeFragment(new Uint8Array())).toEqual({ kind: 'refused', reason: 'malformed' });
    expect(at(0, 2)).toBe('unknown-version');
    expect(at(17, 0, 3)).toBe('wrong-position');
    expect(at(19, 0, 0)).toBe('wrong-position');
    expect(at(19, 0, 4)).toBe('wrong-position');
    expect(at(23, 0, 0, 0, 2)).toBe('wrong-position');
    expect(at(23, 0, 0, 0, 13)).toBe('wrong-length');
    expect(at(31, 200)).toBe('malformed');
    expect(at(32, 0x20)).toBe('wrong-recipient');
    expect(at(36, 0x42)).toBe('wrong-recipient');
    expect(at(32, 0xff)).toBe('wrong-recipient');
  });

  test.each<[string, Partial<Fragment>]>([
    ['recipient', { recipient: 'Bob <bob@b.test>' }],
    ['recipient', { recipient: 'bob@B.test' }],
    ['set id', { setId: new Uint8Array(15) }],
    ['index', { index: 3 }],
    ['index', { index: -1 }],
    ['k', { k: 0 }],
    ['k', { k: 1.5 }],
    ['n', { n: 70_000 }],
    ['total', { totalBytes: 2 }],
    ['total', { totalBytes: 2 ** 33 }],
    ['expiry', { expires: 3601 }],
    ['expiry', { expires: 2 ** 32 * 3600 }],
    ['data', { data: new Uint8Array(4) }],
    ['attestation', { attestation: new Uint8Array(0x1_0000) }],
  ])('of a wrong %s is not written', (_what, change) => {
    expect(() => encodeFragment({ ...sample, ...change })).toThrow(
      expect.objectContaining({ code: 'wrong-fragment' }),
    );
  });
});

describe('splitting and joining', () => {
  const options = { recipient: 'bob@b.test', setId: new Uint8Array(16).fill(7), expires: 7200 };
  const sealed = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 31);

  test('give back what was split, in any order, with fragments twice', () => {
    const lengths = fc.integer({ min: 1, max: 3000 });
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 1, max: 700 }),
        fc.infiniteStream(fc.nat()),
        (length, capacity, chance) => {
          const message = sealed(length);
          const parts = split(message, { ...options, capacity });
          expect(parts).toHaveLength(Math.ceil(length / capacity));
          expect(parts.every(({ data }) => data.length <= capacity && data.length > 0)).toBe(true);
          const order = (part: Fragment): number => chance.next().value + part.index;
          const shuffled = [...parts, ...parts.slice(0, 3)]
            .map((part) => ({ part, key: order(part) }))
            .sort((a, b) => a.key - b.key)
            .map(({ part }) => part);
          expect(join(shuffled)).toEqual({ kind: 'joined', sealed: message });
        },
      ),
    );
  });

  test('make fragments that can be written, of nearly one length', () => {
    const parts = split(sealed(1000), { ...options, capacity: 300, returnInfo: Uint8Array.of(1) });
    expect(parts.map(({ data }) => data.length)).toEqual([250, 250, 250, 250]);
    expect(split(sealed(10), { ...options, capacity: 4 }).map(({ data }) => data.length)).toEqual([4, 3, 3]);
    for (const fragment of parts)
      expect(decodeFragment(encodeFragment(fragment))).toMatchObject({ kind: 'fragment', fragment });
  });

  test('say what is missing', () => {
    const parts = split(sealed(10), { ...options, capacity: 4 });
    expect(join([])).toEqual({ kind: 'incomplete', have: 0, need: 1 });
    expect(join(parts.slice(1))).toEqual({ kind: 'incomplete', have: 2, need: 3 });
    expect(join([...parts.slice(1), ...parts.slice(1)])).toEqual({ kind: 'incomplete', have: 2, need: 3 });
  });

  const parts = split(sealed(10), { ...options, capacity: 4 });
  const [first = sample, ...rest] = parts;

  test.each<[string, Fragment]>([
    ['set id', { ...first, setId: new Uint8Array(16) }],
    ['recipient', { ...first, recipient: 'eve@b.test' }],
    ['k', { ...first, k: 2, n: 3 }],
    ['n', { ...first, n: 4 }],
    ['total', { ...first, totalBytes: 11 }],
    ['expiry', { ...first, expires: 3600 }],
  ])('refuse another %s', (_what, other) => {
    expect(join([...rest, other])).toEqual({ kind: 'refused', reason: 'different-sets' });
  });

  test('refuse what cannot be', () => {
    const other = { ...first, data: first.data.map((byte) => byte ^ 1) };
    expect(join([...parts, other])).toEqual({ kind: 'refused', reason: 'conflicting' });
    expect(join([...parts, { ...first, returnInfo: Uint8Array.of(1) }])).toEqual({
      kind: 'refused',
      reason: 'conflicting',
    });
    expect(join([{ ...first, data: new Uint8Array(9) }, ...rest])).toEqual({
      kind: 'refused',
      reason: 'wrong-length',
    });
    expect(join([{ ...first, index: 3 }, ...rest])).toEqual({ kind: 'refused', reason: 'wrong-length' });
    expect(join(parts.map((part) => ({ ...part, n: 4 })))).toEqual({
      kind: 'refused',
      reason: 'unknown-code',
    });
    expect(join([{ ...first, totalBytes: maxSealedBytes + 1 }])).toEqual({
      kind: 'refused',
      reason: 'too-large',
    });
  });

  describe('A3 the largest sealed message is', () => {
    test('many fragments of one capacity, and whole again', () => {
      const message = new Uint8Array(maxSealedBytes);
      for (let at = 0; at < message.length; at += 997) message[at] = at;
      const parts = split(message, { ...options, capacity: 28_000 });
      expect(parts).toHaveLength(Math.ceil(maxSealedBytes / 28_000));
      expect(Math.max(...parts.map(({ data }) => data.length))).toBeLessThanOrEqual(28_000);
      expect(new Set(parts.map(({ totalBytes, k, n }) => `${totalBytes} ${k} ${n}`)).size).toBe(1);
      const joined = join(parts.reverse());
      expect(joined.kind === 'joined' && equalBytes(joined.sealed, message)).toBe(true);
    });

    test('refused beyond it, and when there is nothing', () => {
      expect(() => split(new Uint8Array(maxSealedBytes + 1), { ...options, capacity: 28_000 })).toThrow(
        expect.objectContaining({ code: 'too-large', hint: expect.stringContaining('25 MB') }),
      );
      expect(() => split(sealed(70_000), { ...options, capacity: 1 })).toThrow(
        expect.objectContaining({ code: 'too-large' }),
      );
      expect(() => split(new Uint8Array(), { ...options, capacity: 9 })).toThrow(
        expect.objectContaining({ code: 'wrong-fragment' }),
      );
      expect(() => split(sealed(9), { ...options, capacity: 0 })).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/wrong-fragment|too-large/) }),
      );
    });
  });
});
