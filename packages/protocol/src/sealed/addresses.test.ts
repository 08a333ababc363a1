import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { octets } from '../codec/mime-header.ts';
import { parseAddressList } from './addresses.ts';
import { isMailbox } from './mailbox.ts';
import { readAuthors, readRecipients } from './recipients.ts';

describe('address list', () => {
  test.each<[string, string[]]>([
    ['bob@b.test', ['bob@b.test']],
    [' Bob <bob@B.Test> ,\r\n\talice@a.test', ['bob@b.test', 'alice@a.test']],
    ['"B, <C>; \\"D\\"" <b@x.test>', ['b@x.test']],
    ['=?utf-8?q?J=C3=B6rg?= <j@x.test>', ['j@x.test']],
    ['J\xc3\xb6rg <j@x.test>', ['j@x.test']],
    ['John Q. Public <j@x.test> (a (nested) \\) comment)', ['j@x.test']],
    ['Friends: a@x.test, "B" <b@x.test>;, c@x.test', ['a@x.test', 'b@x.test', 'c@x.test']],
    ['undisclosed-recipients:;', []],
    ['', []],
    [' , a@x.test,, (nobody) ,b@x.test,', ['a@x.test', 'b@x.test']],
    ['user (c) @ x.test', ['user@x.test']],
    ['"john.doe"@x.test', ['john.doe@x.test']],
    ['a+b_c=d@x.test', ['a+b_c=d@x.test']],
    ['<a@xn--bcher-kva.test>', ['a@xn--bcher-kva.test']],
  ])('%j', (value, mailboxes) => {
    expect(parseAddressList(value)).toEqual({ kind: 'addresses', mailboxes });
  });

  test.each<[string, string, string]>([
    ['Doe, John <j@x.test>', 'malformed-address', 'Doe'],
    ['a@x.test; b@x.test', 'malformed-address', 'a@x.test; b@x.test'],
    ['a@x.test b@x.test', 'malformed-address', 'a@x.test b@x.test'],
    ['<a@x.test', 'malformed-address', '<a@x.test'],
    ['A <a@x.test> B', 'malformed-address', 'A <a@x.test> B'],
    ['A <a@x.test> <b@x.test>', 'malformed-address', 'A <a@x.test> <b@x.test>'],
    ['@x.test', 'malformed-address', '@x.test'],
    ['a@', 'malformed-address', 'a@'],
    ['a..b@x.test', 'malformed-address', 'a..b@x.test'],
    ['.a@x.test', 'malformed-address', '.a@x.test'],
    ['a@x..test', 'malformed-address', 'a@x..test'],
    ['G: a@x.test', 'malformed-address', 'G: a@x.test'],
    ['G: H: a@x.test;;', 'malformed-address', 'H:'],
    ['"open <a@x.test>', 'malformed-address', '"open <a@x.test>'],
    ['a@x.test (open', 'malformed-address', 'a@x.test (open'],
    ['a@x.test)', 'malformed-address', 'a@x.test)'],
    ['a\0@x.test', 'malformed-address', 'a\0@x.test'],
    ['ok@x.test, "john doe"@x.test', 'unsupported-address', '"john doe"@x.test'],
    ['a@[192.0.2.1]', 'unsupported-address', 'a@[192.0.2.1]'],
    ['a@192.0.2.1', 'unsupported-address', 'a@192.0.2.1'],
    ['<@r.test:u@x.test>', 'unsupported-address', '<@r.test:'],
    ['"u@far"@x.test', 'unsupported-address', '"u@far"@x.test'],
    ['u@v@x.test', 'malformed-address', 'u@v@x.test'],
    ['j\xc3\xb6rg@x.test', 'unsupported-address', 'j\xc3\xb6rg@x.test'],
    ['a@-x.test', 'unsupported-address', 'a@-x.test'],
    [`${'a'.repeat(65)}@x.test`, 'unsupported-address', `${'a'.repeat(65)}@x.test`],
  ])('%j is refused', (value, reason, entry) => {
    expect(parseAddressList(value)).toEqual({ kind: 'refused', reason, entry });
  });

  test('gives only mailboxes, whatever the text', () => {
    const pieces = fc.constantFrom(
      'a',
      'b@x.test',
      '<',
      '>',
      '@',
      ',',
      ';',
      ':',
      '.',
      '"',
      '\\',
      '(',
      ')',
      ' ',
      '[',
      ']',
      '\r\n ',
      'é',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (chosen) => {
        const list = parseAddressList(chosen.join(''));
        const mailboxes = list.kind === 'addresses' ? list.mailboxes : [];
        expect(mailboxes.filter((mailbox) => !isMailbox(mailbox))).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test.each(['(', '((((a)', '"', '<', '@:', 'a:', 'a ', '[', 'a@', '\\'])(
    'half a megabyte of %j costs little',
    (unit) => {
      const list = parseAddressList(`${unit.repeat(Math.floor(500_000 / unit.length))},b@x.test`);
      expect(list.kind).toBe('refused');
    },
  );
});

describe('recipients', () => {
  test('are those of To, Cc and Bcc, each once', () => {
    const message = 'Bcc: c@x.test\nCc: b@x.test, A <a@X.test>\nTo: a@x.test, a@x.test\n\nTo: z@x.test\n';
    expect(readRecipients(octets(message))).toEqual({
      kind: 'recipients',
      mailboxes: ['a@x.test', 'b@x.test', 'c@x.test'],
    });
    expect(readAuthors(octets('From: A <a@x.test>\r\nSender: b@x.test\r\n\r\n'))).toEqual({
      kind: 'recipients',
      mailboxes: ['a@x.test'],
    });
  });

  test.each([
    ['To: a@x.test\r\nto: b@x.test\r\n\r\n', 'repeated-field'],
    ['To: a@x.test\r\nCc: what\r\n\r\n', 'malformed-address'],
    ['To: a@[::1]\r\n\r\n', 'unsupported-address'],
    ['To: "a b"@x.test\r\n\r\n', 'unsupported-address'],
    ['no header\r\n\r\n', 'malformed-header'],
    ['To: b@b.test\r\nSubject: M2\rBcc: evil@evil.test\r\n\r\n', 'malformed-header'],
    ['To: b@b.test\r\nSubject: M2\nBcc: evil@evil.test\r\n\r\n', 'malformed-header'],
    ['To: b@b.test\nSubject: M2\rBcc: evil@evil.test\n\n', 'malformed-header'],
  ])('of %j are refused', (message, reason) => {
    expect(readRecipients(octets(message))).toMatchObject({ kind: 'refused', reason });
  });
});

test.each(['bob@b.test', "o'neil+x@b-c.d.test"])('%s is a mailbox', (text) => {
  expect(isMailbox(text)).toBe(true);
});

test('a mailbox has at most 254 octets', () => {
  const labels = `${'d'.repeat(63)}.`.repeat(3);
  const longest = `${'a'.repeat(57)}@${labels}test`;
  expect(longest).toHaveLength(254);
  expect(isMailbox(longest)).toBe(true);
  expect(isMailbox(`a${longest}`)).toBe(false);
  expect(parseAddressList(`a${longest}`)).toMatchObject({ reason: 'unsupported-address' });
});

test.each([
  'bob',
  '@b.test',
  'bob@',
  'bob@B.test',
  'bob@b.test.',
  '"bob"@b.test',
  'bob@[1.2.3.4]',
  'b ob@b.test',
  'bob@b.test\r\n',
  'a@b@c.test',
  '.b@c.test',
])('%j is none', (text) => {
  expect(isMailbox(text)).toBe(false);
});
