import { parseClientConfig } from '@postern/client';
import {
  decodePacketFile,
  decodeReturn,
  encodePacketFile,
  encodeReturn,
  flawOf,
  mailboxesOf,
  readKeyFile,
} from '@postern/client/testing';
import { parseAuthorityConfig } from '@postern/directory';
import { parseNodeConfig } from '@postern/node';
import { findField, formatHash, openField, parseAuthors, parseHash } from '@postern/node/testing';
import { defaultGeometry } from '@postern/protocol/packet';
import { seeded } from '@postern/protocol/testing';
import { ConfigError, isPublicAddress } from '@postern/runtime';
import { parseToml } from '@postern/runtime/testing';
import { bytes, hold, latin1, sameBytes, type Target, throwUnless, utf8 } from '../target.ts';
import { domainKey, personKey } from './keys.ts';

const random = seeded('fuzz settings');
const nodeToml = `
name = "mix1.example"
roles = ["mix", "delivery"]
data_dir = "/var/lib/postern"
[smtp]
listen = "0.0.0.0:25"
ehlo = "mix1.example"
behind = ["10.0.0.0/8"]
[directory]
urls = ["https://directory.example"]
authorities = ["a+00000000+AAAA"]
[mix]
expiry = "3h"
[delivery]
domain = "b.example"
maildir = "/home/{local}/Maildir"
mailboxes = ["bob"]
[spool]
max = "64MB"
`;

const parsers = [parseNodeConfig, parseAuthorityConfig, parseClientConfig];

/** Every mistake in a file is a mistake that is told. */
const settings: Target = {
  name: 'settings',
  maxBytes: 131_072,
  seeds: () => [
    bytes(nodeToml),
    bytes('a = 1979-05-27T07:32:00Z\nb = [1, 0x2, {c = "d"}]\n[[e]]\nf = """\n g"""\n'),
  ],
  tokens: [
    '[',
    ']',
    ' = ',
    '"',
    '"""',
    '[[',
    '{',
    'true',
    'inf',
    '"10m"',
    '"64kB"',
    '\n',
    'submission',
    '__proto__',
  ],
  bounded: 150,
  run(input) {
    expectMistakes(() => {
      const parsed = parseToml(utf8(input), 'settings');
      for (const parse of parsers) expectMistakes(() => parse(parsed));
    });
  },
};

function expectMistakes(work: () => void): void {
  try {
    work();
  } catch (fault) {
    if (!(fault instanceof ConfigError)) throw fault;
    hold(fault.message.length < 1_000_000, 'mistakes can be told');
  }
}

const hash = { ln: 15, r: 8, p: 1, salt: random.bytes(16), hash: random.bytes(32) };
const authors: Target = {
  name: 'authors',
  maxBytes: 131_072,
  seeds: () => [bytes(`# authors\nalice@a.test:${formatHash(hash)}\n\nbob@a.test:${formatHash(hash)}\n`)],
  tokens: ['\n', ':', '#', '$', 'ln=15,r=8,p=1', '@a.test'],
  run(input) {
    expectMistakes(() => parseAuthors(utf8(input), 'a.test', 'authors'));
    for (const line of utf8(input).split('\n')) {
      const parsed = parseHash(line.slice(line.indexOf(':') + 1));
      if (parsed !== undefined)
        hold(128 * parsed.r * 2 ** parsed.ln <= 2 ** 28, 'a guess has a bounded cost');
    }
  },
};

/** Files of a person's own folder, which another program may have damaged. */
const outbox: Target = {
  name: 'outbox-file',
  seeds: () => [
    encodePacketFile({ bytes: random.bytes(20), next: { kind: 'node', id: 'ab'.repeat(32) }, expires: 9 }),
    encodePacketFile({
      bytes: random.bytes(20),
      next: { kind: 'domain', domain: 'b.test', tlsOptional: true },
      token: 'cd'.repeat(16),
      expires: 1_800_000_000,
    }),
  ],
  tokens: ['"version":1,"firstNode":"', '"expires":', '"bytes":'],
  run(input) {
    try {
      const packet = decodePacketFile(Buffer.from(input), 'set');
      const again = encodePacketFile(packet);
      if (!latin1(input).startsWith('{"version":1,') && !/"(?:expires|bytes)":0\d/.test(latin1(input)))
        sameBytes(again, input, 'a file of the outbox');
    } catch (fault) {
      throwUnless(fault, 'bad-file');
    }
  },
};

const returns: Target = {
  name: 'return-record',
  maxBytes: 131_072,
  seeds: () =>
    [
      { kind: 'none' } as const,
      { kind: 'domain', key: random.bytes(32) } as const,
      { kind: 'surb', secrets: random.bytes(64), geometry: defaultGeometry } as const,
    ].map((secret) =>
      bytes(
        encodeReturn({ token, secret, expires: 1_800_000_000, set: 'ef'.repeat(16), messageId: '<a@b>' }),
      ),
    ),
  tokens: ['"kind":"', 'surb', '"__proto__":', '":', ',"'],
  run(input) {
    const record = decodeReturn(utf8(input), token);
    if (record !== undefined)
      hold(
        decodeReturn(encodeReturn(record), token) !== undefined,
        'a record of a return can be written again',
      );
  },
};
const token = '01'.repeat(16);

/** What a key directory, a domain or a file gives for a key. */
const keyFile: Target = {
  name: 'key-file',
  maxBytes: 131_072,
  seeds: () => [domainKey.certificate, personKey, bytes(armored)],
  tokens: ['-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n', '-----END PGP PUBLIC KEY BLOCK-----\n', '=', '\n'],
  bounded: 40,
  async run(input) {
    try {
      for (const key of await readKeyFile(input, 'a file')) {
        await mailboxesOf(key, now);
        await flawOf(key, now);
      }
    } catch (fault) {
      throwUnless(fault, 'bad-file');
    }
  },
};
const now = new Date('2026-06-01T00:00:00Z');
const armored = `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${Buffer.from(domainKey.certificate)
  .toString('base64')
  .replace(/.{64}/g, '$&\n')}\n-----END PGP PUBLIC KEY BLOCK-----\n`;

const returnHeader: Target = {
  name: 'return-header',
  maxBytes: 131_072,
  seeds: () => [bytes(`A: b\r\nPostern-Return: ${'QUJD'.repeat(15)}\r\n ${'QUJD'.repeat(90)}\r\n\r\nbody`)],
  tokens: ['Postern-Return:', '\r\n ', '\r\n', '\n\t', 'QUJD'.repeat(100)],
  run(input) {
    const value = findField(input);
    if (value !== undefined) openField([domainKey.secretKey], value);
  },
};

const addresses: Target = {
  name: 'ip-address',
  seeds: () => ['192.0.2.1', '::1', '2001:db8::1', '::ffff:10.0.0.1', 'fe80::1%lo'].map(bytes),
  tokens: [':', '::', '.', '%', 'ffff', '64:ff9b::'],
  maxBytes: 64,
  run(input) {
    isPublicAddress(utf8(input));
  },
};

export const settingsTargets: readonly Target[] = [
  settings,
  authors,
  outbox,
  returns,
  keyFile,
  returnHeader,
  addresses,
];
