import {
  fieldsNamed,
  messageToCrlf,
  parseAddressList,
  parseHeader,
  readAuthors,
  readRecipients,
  requireSealable,
} from '@postern/protocol/sealed';
import {
  decodeArmor,
  encodeArmor,
  formatOuter,
  now,
  parseMediaType,
  parseOuter,
  seeded,
  splitParts,
  toCrlf,
  unprotect,
} from '@postern/protocol/testing';
import { bytes, hold, latin1, sameBytes, type Target, throwUnless } from '../target.ts';
import { words } from './letters.ts';

const random = seeded('fuzz mime');
const letter =
  'From: "Alice, the first" <alice@a.test>\r\nTo: bob@b.test, Group: c@c.test;\r\nCc: d@[1.2.3.4] (why)\r\n' +
  'Subject: folded\r\n subject\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b 1"; hp="cipher"\r\n' +
  'HP-Outer: Subject: [...]\r\n\r\n--b 1\r\n\r\none\r\n--b 1\r\nContent-Type: text/plain\r\n\r\ntwo\r\n--b 1--\r\n';
const mimeWords = [...words, '\\', '(', ')', ',', '--b 1', '\u00e9'];

/** Where one program must not see other fields or parts than the next. */
const header: Target = {
  name: 'mime-header',
  maxBytes: 131_072,
  seeds: () => [bytes(letter), bytes('Subject: x\n\nbody\n'), bytes('\r\nbody')],
  tokens: mimeWords,
  run(input) {
    const parsed = parseHeader(input);
    const text = messageToCrlf(input);
    sameBytes(toCrlf(toCrlf(input)), toCrlf(input), 'CRLF once is CRLF');
    if (text !== undefined) unprotect(text);
    if (parsed.kind === 'refused') return;
    hold(parsed.bodyAt <= input.length, 'a body begins inside');
    for (const { name, value, start, end } of parsed.fields) {
      const written = latin1(input.subarray(start, end)).replace(/\r\n$/, '');
      hold(written === `${name}:${value}`, 'a field is what lies there');
      hold(fieldsNamed(parsed.fields, name).length > 0, 'a field is found by its name');
    }
  },
};

const mediaType: Target = {
  name: 'mime-type',
  maxBytes: 131_072,
  seeds: () =>
    [
      'text/plain; charset=utf-8',
      'multipart/encrypted; boundary="a\\"b" (c(d)e); protocol=x',
      'a/b;;c=d;',
    ].map(bytes),
  tokens: mimeWords,
  run(input) {
    const type = parseMediaType(latin1(input));
    if (type === undefined) return;
    for (const { start, end } of type.parameters)
      hold(start < end && end <= input.length, 'a parameter lies inside the value');
  },
};

const parts: Target = {
  name: 'mime-parts',
  maxBytes: 131_072,
  seeds: () => [bytes('--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n'), bytes('x\r\n--b \t\r\n\r\n--b--')],
  tokens: ['--b', '--b--', '\r\n--b', ...words],
  run(input) {
    for (const count of [1, 2]) {
      const split = splitParts(input, 'b', count);
      if (split !== undefined) hold(split.length === count, 'there are as many parts as asked for');
    }
  },
};

const addresses: Target = {
  name: 'mime-addresses',
  maxBytes: 131_072,
  seeds: () => [
    bytes(letter),
    ...['a@b.test, "c, d" <e@f.test>', 'g: h@i.test, j@k.test;', '<@l:m@n>'].map(bytes),
  ],
  tokens: mimeWords,
  run(input) {
    parseAddressList(latin1(input));
    readRecipients(input);
    readAuthors(input);
    try {
      requireSealable(input, [
        { from: 'secure@b.test', to: 'bob@b.test', date: now, messageId: '<0@b.test>' },
      ]);
    } catch (fault) {
      throwUnless(fault, 'too-large', 'wrong-message', 'wrong-mailbox');
    }
  },
};

const armor: Target = {
  name: 'openpgp-armor',
  maxBytes: 131_072,
  seeds: () => [0, 1, 2, 48, 100].map((length) => encodeArmor(random.bytes(length))),
  tokens: [
    '-----BEGIN PGP MESSAGE-----\r\n',
    '-----END PGP MESSAGE-----\r\n',
    '=',
    'Comment: x\r\n',
    ...words,
  ],
  run(input) {
    const decoded = decodeArmor(input);
    if (decoded === undefined) return;
    const again = decodeArmor(encodeArmor(decoded));
    hold(again !== undefined, 'what armor holds can be armored');
    sameBytes(again, decoded, 'armor');
  },
};

const outer: Target = {
  name: 'sealed-outer',
  maxBytes: 131_072,
  seeds: () => [formatOuter([['From', 'secure@b.test']], random.bytes(60)), bytes(letter)],
  tokens: mimeWords,
  run(input) {
    parseOuter(input);
  },
};

export const mimeTargets: readonly Target[] = [header, mediaType, parts, addresses, armor, outer];
