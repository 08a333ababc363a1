import { expect, test } from 'vitest';
import { formatMailbox, isDomain, parseMailbox } from './address.ts';

test.each([
  ['secure@b.test', 'secure', 'b.test'],
  ['Alice.B+tag@EXAMPLE.org', 'Alice.B+tag', 'example.org'],
  ["!#$%&'*+/=?^_`{|}~-@x", "!#$%&'*+/=?^_`{|}~-", 'x'],
  ['a@xn--bcher-kva.example', 'a', 'xn--bcher-kva.example'],
  [`${'l'.repeat(64)}@d.test`, 'l'.repeat(64), 'd.test'],
])('%s is a mailbox', (text, local, domain) => {
  expect(parseMailbox(text)).toEqual({ local, domain });
  expect(formatMailbox({ local, domain })).toBe(`${local}@${domain}`);
});

test.each([
  '',
  '@',
  'secure',
  'secure@',
  '@b.test',
  '.a@b.test',
  'a.@b.test',
  'a..b@b.test',
  'a b@b.test',
  '"a b"@b.test',
  'a@b@c.test',
  'a@[127.0.0.1]',
  'a@b.test.',
  'a@-b.test',
  'a@b-.test',
  'a@b..test',
  'a@b_c.test',
  'ä@b.test',
  'a@ä.test',
  'a\r\n@b.test',
  'a@b.test\n',
  '<a@b.test>',
  `${'l'.repeat(65)}@d.test`,
  `a@${'d'.repeat(64)}.test`,
])('%j is none', (text) => {
  expect(parseMailbox(text)).toBeUndefined();
});

test('a domain has at most 253 octets', () => {
  const label = 'd'.repeat(63);
  expect(isDomain(`${label}.${label}.${label}.${'d'.repeat(61)}`)).toBe(true);
  expect(isDomain(`${label}.${label}.${label}.${'d'.repeat(62)}`)).toBe(false);
});
