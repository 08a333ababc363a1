import fc from 'fast-check';
import { expect, test } from 'vitest';
import { onlyField, readHeader } from './header.ts';

function read(text: string, start = 0, limit = 1_000): unknown {
  const header = readHeader(Buffer.from(text, 'latin1'), start, limit);
  return header && [header.end, ...header.fields.map(({ name, value }) => `${name}=${value}`)];
}

test.each([
  ['A: x\r\nB:y\r\n\r\nbody', [13, 'a=x', 'b=y']],
  ['A: x\nB:y\n\nbody', [10, 'a=x', 'b=y']],
  ['A:\t x \r\n\t y\r\n \r\n z \t\r\n\r\n', [24, 'a=x \t y  z']],
  ['A : x\r\n', [7, 'a=x']],
  ['A: \xa0x\xa0', [6, 'a=\xa0x\xa0']],
  ['\r\nA: x', [2]],
  ['', [0]],
])('%j is a header', (text, expected) => {
  expect(read(text)).toEqual(expected);
});

test.each([' A: x\r\n', 'A x\r\n', ': x\r\n', 'A\xe4: x\r\n', 'A B: x\r\n', 'A: x\r\nFrom x\r\n\r\n'])(
  '%j is none',
  (text) => {
    expect(read(text)).toBeUndefined();
  },
);

test('begins anywhere, and ends within the limit', () => {
  expect(read('A: x\r\n\r\nB: y\r\n\r\n', 8)).toEqual([16, 'b=y']);
  expect(read('A: x\r\n\r\nmore', 0, 8)).toEqual([8, 'a=x']);
  expect(read('A: x\r\n\r\nmore', 0, 7)).toBeUndefined();
});

test('a field that is there twice is not the only one', () => {
  const fields = readHeader(Buffer.from('A: x\r\nB: y\r\na: z\r\n'), 0, 100)?.fields ?? [];
  expect([onlyField(fields, 'a'), onlyField(fields, 'b')?.value, onlyField(fields, 'c')]).toEqual([
    undefined,
    'y',
    undefined,
  ]);
});

test('nothing makes it throw, and what it takes it takes whole', () => {
  const octets = fc.array(fc.constantFrom('\r\n', '\n', '\r', ' ', 'a', ':', '\0', '\xff'), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(octets, fc.nat(70), (parts, limit) => {
      const text = parts.join('');
      const header = readHeader(Buffer.from(text, 'latin1'), 0, limit);
      const raw = header?.fields.map((field) => field.raw).join('') ?? '';
      expect(text.slice(0, header?.end ?? 0).replace(/(?<=^|\n)\r?\n$/, '')).toBe(raw);
    }),
  );
});
