import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  characters,
  fieldsNamed,
  hasRepeated,
  mostHeaderFields,
  octets,
  parseHeader,
} from './mime-header.ts';
import { messageToCrlf, toCrlf } from './mime-lines.ts';
import { splitParts } from './mime-parts.ts';
import { mostMediaTypeCharacters, mostParameters, parameterOf, parseMediaType } from './mime-type.ts';

describe('lines', () => {
  test.each([
    ['a\nb', 'a\r\nb'],
    ['a\rb', 'a\r\nb'],
    ['a\r\nb', 'a\r\nb'],
    ['\n\r', '\r\n\r\n'],
    ['\r\r\n', '\r\n\r\n'],
    ['\n\n\r\n\r', '\r\n\r\n\r\n\r\n'],
    ['', ''],
  ])('%j ends its lines in CRLF', (given, expected) => {
    expect(characters(toCrlf(octets(given)))).toBe(expected);
  });

  test('what is so already stays the same object; nothing else changes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('\r', '\n', '\r\n', 'x', '\0', 'ÿ'), { maxLength: 30 }),
        (pieces) => {
          const given = pieces.join('');
          const once = toCrlf(octets(given));
          expect(toCrlf(once)).toBe(once);
          expect(characters(once)).toBe(given.replace(/\r\n|\r|\n/g, '\r\n'));
        },
      ),
    );
  });

  test.each([
    ['A: b\nC: d\n\nx\ry\nz\r\n', 'A: b\r\nC: d\r\n\r\nx\r\ny\r\nz\r\n'],
    ['A: b\r\nC: d\r\n\r\nx\n\r', 'A: b\r\nC: d\r\n\r\nx\r\n\r\n'],
    ['A: b\n\n\r\nx', 'A: b\r\n\r\n\r\nx'],
    ['\nx\r', '\r\nx\r\n'],
    ['\r\n\nx', '\r\n\r\nx'],
    ['A: b\n', 'A: b\r\n'],
    ['A: b', 'A: b'],
    ['', ''],
  ])('the message %j ends its lines in CRLF', (given, expected) => {
    expect(characters(messageToCrlf(octets(given)) ?? octets('none'))).toBe(expected);
  });

  test.each([
    'A: b\rC: d\r\n\r\n',
    'A: b\rC: d\n\n',
    'A: b\rC: d\r\r',
    'A: b\r\nC: d\nE: f\r\n\r\n',
    'A: b\nC: d\r\nE: f\n\n',
    'A: b\n\r\nbody',
    'A: b\r\n\nbody',
    'A: b\r\n\rbody',
    'A: b\r\r\n\r\n',
    'A: b\r\n\r',
    'A: b\r',
    '\rbody',
    '\r',
  ])('the message %j does so in more than one way', (given) => {
    expect(messageToCrlf(octets(given))).toBeUndefined();
  });

  test('more lines take no more calls of the engine', () => {
    const few = new Watched(octets('A: b\n'.repeat(10)));
    const many = new Watched(octets('A: b\n'.repeat(10_000)));
    messageToCrlf(few);
    messageToCrlf(many);
    expect(many.calls).toBe(few.calls);
  });
});

describe('header', () => {
  const parse = (text: string): ReturnType<typeof parseHeader> => parseHeader(octets(text));

  test('has its fields in order, values as they are, and the place of the body', () => {
    const text = 'From: a@b\r\nX-y:\r\nSUBJECT: one\r\n  two \r\n\t three\r\n\r\nbody: no field\r\n';
    const header = parse(text);
    if (header.kind === 'refused') throw new Error(header.reason);
    expect(header.fields.map(({ name, value }) => [name, value])).toEqual([
      ['From', ' a@b'],
      ['X-y', ''],
      ['SUBJECT', ' one\r\n  two \r\n\t three'],
    ]);
    expect(text.slice(header.bodyAt)).toBe('body: no field\r\n');
    expect(header.fields.map(({ start, end }) => text.slice(start, end)).join('')).toBe(
      text.slice(0, header.bodyAt - 2),
    );
  });

  test.each([
    ['', 0, 0],
    ['\r\nbody', 0, 2],
    ['A: b', 1, 4],
    ['A: b\r\n', 1, 6],
    ['A: b\r\n\r\n', 1, 8],
  ])('of %j', (text, count, bodyAt) => {
    expect(parse(text)).toMatchObject({ kind: 'header', bodyAt });
    expect(parse(text)).toHaveProperty('fields.length', count);
  });

  test.each([
    ['a line that is no field', 'A: b\r\nhello\r\n\r\n'],
    ['an mbox line', 'From bob Mon Jun  1\r\nA: b\r\n\r\n'],
    ['a blank in front of the colon', 'A : b\r\n\r\n'],
    ['no name', ': b\r\n\r\n'],
    ['a name beyond ASCII', 'Ä: b\r\n\r\n'],
    ['a continuation of nothing', ' b\r\nA: b\r\n\r\n'],
    ['a folded line of blanks', 'A: b\r\n \t\r\nB: c\r\n\r\n'],
    ['LF alone', 'A: b\nB: c\r\n\r\n'],
    ['CR alone', 'A: b\rB: c\r\n\r\n'],
    ['CR at the end', 'A: b\r'],
    ['NUL', 'A: b\0\r\n\r\n'],
  ])('is refused with %s', (_what, text) => {
    expect(parse(text)).toEqual({ kind: 'refused', reason: 'malformed-header' });
  });

  test('300,000 fields, and 10 MB in one, are too large', () => {
    expect(parse('A: b\r\n'.repeat(300_000))).toEqual({ kind: 'refused', reason: 'header-too-large' });
    expect(parse(`A: ${'b'.repeat(10_000_000)}\r\n\r\n`)).toEqual({
      kind: 'refused',
      reason: 'header-too-large',
    });
    expect(parse(`${'A: b\r\n'.repeat(mostHeaderFields + 1)}\r\n`)).toEqual({
      kind: 'refused',
      reason: 'header-too-large',
    });
    expect(parse(`${'A: b\r\n'.repeat(mostHeaderFields)}\r\n`)).toHaveProperty(
      'fields.length',
      mostHeaderFields,
    );
  });

  test('names are compared without regard to case', () => {
    const header = parse('From: a\r\nfROM: b\r\nTo: c\r\n\r\n');
    if (header.kind === 'refused') throw new Error(header.reason);
    expect(fieldsNamed(header.fields, 'from')).toHaveLength(2);
    expect(hasRepeated(header.fields, ['to', 'from'])).toBe(true);
    expect(hasRepeated(header.fields, ['to', 'cc'])).toBe(false);
  });
});

describe('media type', () => {
  const parameters = (value: string): [string, string][] | undefined =>
    parseMediaType(value)?.parameters.map(({ name, value: content }) => [name, content]);

  test('is read with its parameters, comments and folds', () => {
    const value = ' Multipart/Encrypted (a (b) \\) c);\r\n BOUNDARY="a;\\"b\\\\" ; x=y(z); ;';
    expect(parseMediaType(value)?.type).toBe('multipart/encrypted');
    expect(parameters(value)).toEqual([
      ['boundary', 'a;"b\\'],
      ['x', 'y'],
    ]);
  });

  test('tells where a parameter lies', () => {
    const value = ' a/b; x=1;\r\n hp="cipher" (c); y=2';
    const hp = parseMediaType(value)?.parameters.find(({ name }) => name === 'hp');
    expect(value.slice(hp?.start, hp?.end)).toBe(';\r\n hp="cipher"');
    const media = parseMediaType(value);
    expect(media && parameterOf(media, 'y')).toBe('2');
  });

  test.each([
    'text',
    'text/',
    '/plain',
    'text/plain x',
    'text/plain; x',
    'text/plain; x=',
    'text/plain; =y',
    'text/plain; x="y',
    'text/plain; x=y z',
    'text/plain (x',
    'text/plain; boundary=a; BOUNDARY=b',
    'text/pl@in',
    '',
  ])('%j has no one reading', (value) => {
    expect(parseMediaType(value)).toBeUndefined();
  });

  test('is refused beyond a number of parameters and a length, so that reading it stays cheap', () => {
    const withParameters = (count: number): string =>
      `a/b${Array.from({ length: count }, (_, index) => `;p${index}=x`).join('')}`;
    expect(parameters(withParameters(mostParameters))).toHaveLength(mostParameters);
    expect(parseMediaType(withParameters(mostParameters + 1))).toBeUndefined();
    expect(parseMediaType(withParameters(78_282))).toBeUndefined();
    const ofLength = (length: number): string => `a/b; x=${'y'.repeat(length - 7)}`;
    expect(parseMediaType(ofLength(mostMediaTypeCharacters))).toBeDefined();
    expect(parseMediaType(ofLength(mostMediaTypeCharacters + 1))).toBeUndefined();
    expect(parseMediaType(`a/b${' '.repeat(mostMediaTypeCharacters)}`)).toBeUndefined();
  });
});

describe('parts', () => {
  const split = (body: string, boundary = 'b', count = 2): string[] | undefined =>
    splitParts(octets(body), boundary, count)?.map(characters);

  test('are what lies between delimiters', () => {
    const body = 'preamble\r\n--b\r\nA: b\r\n\r\none\r\n--b \t\r\n\r\ntwo\r\n\r\n--b--\r\nepilogue';
    expect(split(body)).toEqual(['A: b\r\n\r\none', '\r\ntwo\r\n']);
    expect(split('--b\r\none\r\n--b\r\ntwo\r\n--b--')).toEqual(['one', 'two']);
    expect(split('--b\r\n--b\r\n\r\n--b--')).toEqual(['', '']);
  });

  test('a boundary that begins another is not it', () => {
    expect(split('--b\r\n--bc\r\n--b\r\n--b-\r\n--b--\r\n')).toEqual(['--bc', '--b-']);
  });

  test.each([
    ['one part', '--b\r\none\r\n--b--\r\n'],
    ['three', '--b\r\n1\r\n--b\r\n2\r\n--b\r\n3\r\n--b--\r\n'],
    ['no end', '--b\r\n1\r\n--b\r\n2\r\n'],
    ['no parts', 'nothing\r\n'],
    ['a delimiter behind the end', '--b\r\n1\r\n--b\r\n2\r\n--b--\r\n--b\r\n'],
    ['a delimiter behind the end, cut off', '--b\r\n1\r\n--b\r\n2\r\n--b--\r\n--b'],
    ['a second end', '--b\r\n1\r\n--b\r\n2\r\n--b--\r\n--b--\r\n'],
    ['an end without a beginning', '--b--\r\n'],
  ])('%s are not two', (_what, body) => {
    expect(split(body)).toBeUndefined();
  });

  test.each(['', 'a ', 'ä', 'a"b', 'x'.repeat(71)])('%j is no boundary', (boundary) => {
    expect(split(`--${boundary}\r\n\r\n--${boundary}\r\n\r\n--${boundary}--`, boundary)).toBeUndefined();
  });

  test('a delimiter may have blanks behind it, as many as there are, and nothing else', () => {
    const blanks = ' \t'.repeat(100);
    expect(split(`--b${blanks}\r\none\r\n--b\r\ntwo\r\n--b--${blanks}\r\n`)).toEqual(['one', 'two']);
    expect(split(`--b\r\none\r\n--b${blanks}x\r\n--b\r\ntwo\r\n--b--${blanks}`)).toEqual([
      `one\r\n--b${blanks}x`,
      'two',
    ]);
    expect(split(`--b\r\none\r\n--b\r\ntwo\r\n--b--${blanks}x`)).toBeUndefined();
  });

  test('are those that a search line by line finds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('--b', '--b--', '--bc', '-', '--', '', 'x', ' --b', '--b \t'), {
          maxLength: 12,
        }),
        fc.constantFrom('', '\r\n'),
        (lines, end) => {
          expect(split(lines.join('\r\n') + end)).toEqual(lineByLine(lines));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('more lines take no more calls of the engine', () => {
    const few = new Watched(octets('\r\n--bc\r\n'.repeat(10)));
    const many = new Watched(octets('\r\n--bc\r\n'.repeat(10_000)));
    splitParts(few, 'b', 2);
    splitParts(many, 'b', 2);
    expect(many.calls).toBe(few.calls);
  });

  test('100,000 parts are refused', () => {
    expect(split('--b\r\nx\r\n'.repeat(100_000))).toBeUndefined();
  });
});

/** Two parts, by the lines of a body. */
function lineByLine(lines: readonly string[]): string[] | undefined {
  const marks = lines.flatMap((line, at) => (/^--b(--)?[ \t]*$/.test(line) ? [at] : []));
  const [first = 0, second = 0, third = 0] = marks;
  const closes = marks.map((at) => lines[at]?.startsWith('--b--'));
  if (JSON.stringify(closes) !== '[false,false,true]') return undefined;
  return [lines.slice(first + 1, second), lines.slice(second + 1, third)].map((part) => part.join('\r\n'));
}

/** Bytes that count what is asked of the engine about them. */
class Watched extends Uint8Array {
  calls = 0;

  override indexOf(...given: Parameters<Uint8Array['indexOf']>): number {
    this.calls++;
    return super.indexOf(...given);
  }

  override subarray(...given: Parameters<Uint8Array['subarray']>): Uint8Array<ArrayBuffer> {
    this.calls++;
    return new Uint8Array(this).subarray(...given);
  }
}
