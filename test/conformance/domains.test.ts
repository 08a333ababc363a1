import { parseMailbox } from '@postern/mail';
import { isDomain } from '@postern/protocol/packet';
import { domainName } from '@postern/runtime';
import { describe, expect, test } from 'vitest';

// spec packet 5.2: packages that do not import each other keep to one rule.
const readers: Readonly<Record<string, (name: string) => boolean>> = {
  'a packet': isDomain,
  'a configuration': (name) => domainName.safeParse(name).success,
  // SMTP compares without case: a name in capitals is read, but as another spelling.
  'a mailbox': (name) => parseMailbox(`secure@${name}`)?.domain === name,
};

const label = 'a'.repeat(63);
const accepted = [
  'a',
  'a.test',
  'mix1.example',
  'xn--bcher-kva.example',
  'xn--p1ai',
  '1.2.3.test',
  'a--b.c-d',
  '1a',
  'mix.1a',
  'mix.1-1',
  '0-0',
  `${label}.test`,
  `${label}.${label}.${label}.${'a'.repeat(61)}`,
];
const refused = [
  '',
  '.',
  'a..b',
  '.a',
  'a.',
  'A.test',
  'a.TEST',
  'a_b.test',
  '-a.test',
  'a-.test',
  'a.-test',
  'a.test-',
  'a b.test',
  ' a.test',
  'ä.test',
  '\u212a.test',
  'a.test\n',
  'a.test\0',
  'a@b.test',
  '*.test',
  '1',
  'mix.1',
  'b.007',
  '127.0.0.1',
  '[127.0.0.1]',
  '::1',
  `a${label}.test`,
  `${label}.${label}.${label}.${'a'.repeat(62)}`,
];

describe.each(Object.keys(readers))('a domain name in %s', (where) => {
  test.each(accepted)('%j is one', (name) => {
    expect(readers[where]?.(name)).toBe(true);
  });

  test.each(refused)('%j is none', (name) => {
    expect(readers[where]?.(name)).toBe(false);
  });
});
