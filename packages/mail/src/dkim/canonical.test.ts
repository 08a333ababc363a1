import { expect, test } from 'vitest';
import { relaxedBody, relaxedField } from './canonical.ts';

// RFC 6376 section 3.4.5, example 1
test('a field of the RFC', () => {
  expect(relaxedField('A: X')).toBe('a:X');
  expect(relaxedField('B : Y\t\r\n\tZ  ')).toBe('b:Y Z');
});

test.each([
  ['the RFC’s', ' C \r\nD \t E\r\n\r\n\r\n', ' C\r\nD E\r\n'],
  ['none', '', ''],
  ['nothing but empty lines', '\r\n\r\n', ''],
  ['a line of white space', ' \t\r\n', ''],
  ['no line end', 'x', 'x\r\n'],
  ['white space and no line end', 'x \t', 'x\r\n'],
  ['empty lines in front', '\r\n\r\nx\r\n', '\r\n\r\nx\r\n'],
  ['octets above 127', '\xa0 \xa0\r\n', '\xa0 \xa0\r\n'],
])('a body: %s', (_, body, relaxed) => {
  expect(relaxedBody(body)).toBe(relaxed);
});
