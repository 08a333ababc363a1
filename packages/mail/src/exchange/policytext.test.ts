import { describe, expect, test } from 'vitest';
import { matchesMx, policyId, readPolicy } from './policytext.ts';

describe('the record', () => {
  test.each<[string, string[], string | undefined]>([
    ['as in the RFC', ['v=STSv1; id=20160831085700Z;'], '20160831085700Z'],
    ['without blanks', ['v=STSv1;id=a'], 'a'],
    ['with more fields', ['v=STSv1; x=y; id=a; z=1'], 'a'],
    ['among others', ['google-site=1', 'v=STSv1; id=a', 'v=spf1 -all', 'v=STSv10; id=b'], 'a'],
    ['none', [], undefined],
    ['two', ['v=STSv1; id=a', 'v=STSv1; id=b'], undefined],
    ['no id', ['v=STSv1;'], undefined],
    ['an empty id', ['v=STSv1; id=;'], undefined],
    ['a long id', [`v=STSv1; id=${'a'.repeat(33)}`], undefined],
    ['an id of other characters', ['v=STSv1; id=a-b'], undefined],
    ['the version last', ['id=a; v=STSv1'], undefined],
    ['another case', ['v=stsv1; id=a'], undefined],
  ])('%s', (_, records, id) => {
    expect(policyId(records)).toBe(id);
  });
});

const lines = ['version: STSv1', 'mode: enforce', 'mx: mail.b.test', 'mx: *.b.test', 'max_age: 604800'];

describe('the policy', () => {
  test.each([
    ['CRLF', `${lines.join('\r\n')}\r\n`],
    ['LF', lines.join('\n')],
    ['no blanks', lines.join('\n').replaceAll(' ', '')],
    ['more blanks', lines.join(' \n').replaceAll(':', ' \t: ')],
    ['capital letters in names', lines.join('\n').replace('mail.b', 'MAIL.B')],
    [
      'fields that nobody knows, and a second of what comes once',
      `${lines.join('\n')}\nx_y-1: z\nmode: none`,
    ],
  ])('with %s', (_, text) => {
    expect(readPolicy(text)).toEqual({ mode: 'enforce', mx: ['mail.b.test', '*.b.test'], maxAge: 604_800 });
  });

  test('with a hundred hosts', () => {
    const more = Array.from({ length: 98 }, (_, at) => `mx: m${at}.b.test`);
    expect(readPolicy([...lines, ...more].join('\n'))?.mx).toHaveLength(100);
  });

  test('of mode none names nobody', () => {
    expect(readPolicy('version: STSv1\nmode: none\nmax_age: 0')).toEqual({ mode: 'none', mx: [], maxAge: 0 });
  });

  test.each([
    ['nothing', ''],
    ['a page', '<html>no such page</html>'],
    ['no version', lines.slice(1).join('\n')],
    ['another version', lines.join('\n').replace('STSv1', 'STSv2')],
    ['no mode', lines.toSpliced(1, 1).join('\n')],
    ['another mode', lines.join('\n').replace('enforce', 'report')],
    ['no host', lines.toSpliced(2, 2).join('\n')],
    ['no age', lines.slice(0, 4).join('\n')],
    ['an age that is none', lines.join('\n').replace('604800', '-1')],
    ['a control character behind blanks', `${lines.join('\n')}\nx: ${' '.repeat(4_000)}\u0001`],
    ['more than a year', lines.join('\n').replace('604800', '31557601')],
    ['a host that is none', lines.join('\n').replace('mail.b.test', 'mail@b.test')],
    [
      'more hosts than are kept',
      [...lines, ...Array.from({ length: 99 }, (_, at) => `mx: m${at}.b.test`)].join('\n'),
    ],
    ['a star inside', lines.join('\n').replace('mail.b.test', 'mail.*.test')],
    ['a star alone', lines.join('\n').replace('mail.b.test', '*')],
    ['a line that is none', `${lines.join('\n')}\nmx`],
  ])('that is none: %s', (_, text) => {
    expect(readPolicy(text)).toBeUndefined();
  });

  test.each([
    ['mail.b.test', true],
    ['mx.b.test', true],
    ['b.test', false],
    ['a.mx.b.test', false],
    ['mail.b.test.evil.test', false],
    ['test', false],
  ])('is for %s: %s', (host, matches) => {
    expect(matchesMx(host, { mode: 'enforce', mx: ['mail.b.test', '*.b.test'], maxAge: 1 })).toBe(matches);
  });
});
