import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../errors.ts';
import { decodeJson, encodeJson } from './json.ts';

test('writes the example of RFC 8785, section 3.2', () => {
  const value: unknown = JSON.parse(`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/",
    "literals": [null, true, false]
  }`);
  expect(encodeJson(value)).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test.each([undefined, Number.NaN, Number.POSITIVE_INFINITY, '\ud800'])('does not write %j', (value) => {
  expect(() => encodeJson(value)).toThrow(ProtocolError);
});

describe('refuses', () => {
  test.each([
    ['a repeated member', '{"a":1,"a":1}'],
    ['a repeated member with another value', '{"a":1,"a":2}'],
    ['unsorted members', '{"b":1,"a":1}'],
    ['a space', '{"a": 1}'],
    ['a space in front', ' 1'],
    ['a newline behind', '1\n'],
    ['a fraction of zero', '1.0'],
    ['an exponent', '1e3'],
    ['minus zero', '-0'],
    ['a number that loses digits', '9007199254740993'],
    ['an infinite number', '1e999'],
    ['an escape that is not needed', '"\\u0061"'],
    ['an upper-case escape', '"\\u000F"'],
    ['a lone surrogate', '"\\ud800"'],
    ['a byte order mark', '\ufeff1'],
    ['two values', '1 1'],
    ['nothing', ''],
    ['half a value', '{"a":'],
  ])('%s', (_, text) => {
    expect(decodeJson(text)).toEqual({ kind: 'refused' });
  });

  test('a nesting of 200,000 levels without a full stack', () => {
    expect(decodeJson('['.repeat(200_000)).kind).toBe('refused');
    expect(() => decodeJson('['.repeat(200_000) + ']'.repeat(200_000))).not.toThrow();
  });
});

test('takes a member named __proto__ as a member', () => {
  const json = decodeJson('{"__proto__":{"a":1}}');
  if (json.kind === 'refused') throw new Error('refused');
  expect(Object.keys(json.value as object)).toEqual(['__proto__']);
  expect((json.value as { a?: number }).a).toBeUndefined();
});

test('reads back what was written', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = encodeJson(value);
      const json = decodeJson(text);
      if (json.kind === 'refused') throw new Error('refused');
      expect(encodeJson(json.value)).toBe(text);
      expect(json.value).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
