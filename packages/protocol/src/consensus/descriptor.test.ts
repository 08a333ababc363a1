import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeBase64 } from '../codec/base64.ts';
import { encodeHex } from '../codec/hex.ts';
import { encodeJson } from '../codec/json.ts';
import { formatNote, noteSigner, parseNote, signText } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { ed25519, sha256 } from '../primitives/index.ts';
import { epoch, gateway, keysOf, mix, now } from '../testing/network.ts';
import { testNode } from '../testing/node.ts';
import { signDescriptor, verifyDescriptor } from './descriptor.ts';
import { type Descriptor, maxDescriptorLength } from './documents.ts';

const { identity, signing: seed } = keysOf('mix1.test');
const descriptor = mix('mix1.test');
const signed = signDescriptor(descriptor, seed);

/** Signs any text as the node `mix1.test` would. */
function signedText(text: string, name = 'mix1.test', by = seed): string {
  return formatNote({ text, signatures: [signText(text, noteSigner('ed25519', name, by))] });
}

function signedAnyway(value: unknown): string {
  return signedText(`postern.descriptor/v1\n${encodeJson(value)}\n`);
}

function reasonOf(text: string): string {
  const verified = verifyDescriptor(text);
  return verified.kind === 'refused' ? verified.reason : verified.kind;
}

test('gives the descriptor and the id of its identity key', () => {
  const id = encodeHex(sha256(ed25519.publicKey(identity)));
  expect(verifyDescriptor(signed)).toEqual({ kind: 'descriptor', descriptor, id });
});

test('is readable: origin, one line of JSON, one signature', () => {
  expect(signed).toMatch(/^postern\.descriptor\/v1\n\{"capacity":.*\}\n\n\u2014 mix1\.test [\w+/=]+\n$/);
});

test('is one text whatever the order in which sets are given', () => {
  const both: Partial<Descriptor> = { roles: ['mix', 'delivery'], domains: ['b.test', 'a.test'] };
  const sorted: Partial<Descriptor> = { roles: ['delivery', 'mix'], domains: ['a.test', 'b.test'] };
  const reversed = [...descriptor.mixKeys].reverse();
  const downtime = [
    { from: 5, until: 6 },
    { from: 9, until: 12 },
  ];
  const unsorted = { ...both, mixKeys: reversed, protocols: [2, 1], downtime: downtime.toReversed() };
  expect(signDescriptor(mix('mix1.test', unsorted), seed)).toBe(
    signDescriptor(mix('mix1.test', { ...sorted, protocols: [1, 2], downtime }), seed),
  );
});

describe('signing throws for', () => {
  test.each<[string, Descriptor]>([
    ['a foreign signing key', mix('mix2.test')],
    ['a name that is no domain', mix('mix1.test', { name: 'Mix1' })],
    ['a missing role', mix('mix1.test', { roles: [] })],
  ])('%s', (_, wrong) => {
    expect(() => signDescriptor(wrong, seed)).toThrow(ProtocolError);
  });
});

describe('is refused', () => {
  const [key] = descriptor.mixKeys;
  const long = Array.from({ length: 4 }, () => 'x'.repeat(50)).join('.');
  const badKey = encodeBase64(new Uint8Array(1216).fill(0xff));
  const malformed: [string, string, unknown][] = [
    ['an unknown member', 'the document has a member that is not defined', { ...descriptor, more: 1 }],
    [
      'a member __proto__',
      'the document has a member that is not defined',
      JSON.parse(`${JSON.stringify(descriptor).slice(0, -1)},"__proto__":{"name":"x.test"}}`),
    ],
    ['a missing member', 'the document lacks the member family', { ...descriptor, family: undefined }],
    ['another version', 'version is none of 1', { ...descriptor, version: 2 }],
    ['a list for an object', 'the document is no object', [descriptor]],
    ['an upper-case name', 'name is no domain name', { ...descriptor, name: 'Mix1.test' }],
    ['an IP address for a name', 'name is no domain name', { ...descriptor, name: '127.0.0.1' }],
    ['a name with a dot behind', 'name is no domain name', { ...descriptor, name: 'mix1.test.' }],
    [
      'roles out of order',
      'roles[1] is out of order',
      { ...descriptor, roles: ['mix', 'delivery'], domains: ['a.test'] },
    ],
    ['a repeated role', 'roles[1] is out of order', { ...descriptor, roles: ['mix', 'mix'] }],
    ['an unknown role', 'roles[1] is none of delivery, mix', { ...descriptor, roles: ['mix', 'submission'] }],
    ['no role', 'the document has no role', { ...descriptor, roles: [], mixKeys: [] }],
    [
      'a mix without keys',
      'the document does not have mix keys exactly if it is a mix',
      { ...descriptor, mixKeys: [] },
    ],
    [
      'a gateway with mix keys',
      'the document does not have mix keys exactly if it is a mix',
      { ...descriptor, roles: ['delivery'], domains: ['a.test'] },
    ],
    [
      'a gateway without domains',
      'the document does not serve domains exactly if it delivers',
      { ...gateway('mix1.test'), domains: [] },
    ],
    [
      'a mix with domains',
      'the document does not serve domains exactly if it delivers',
      { ...descriptor, domains: ['a.test'] },
    ],
    [
      'domains out of order',
      'domains[1] is out of order',
      { ...gateway('mix1.test'), domains: ['b.test', 'a.test'] },
    ],
    [
      'a short identity key',
      'identityKey is no base64 of 32 bytes',
      { ...descriptor, identityKey: descriptor.identityKey.slice(4) },
    ],
    [
      'an identity key with loose bits',
      'identityKey is no base64 of 32 bytes',
      { ...descriptor, identityKey: descriptor.identityKey.replace(/.=$/, 'Z=') },
    ],
    [
      'port 0',
      'smtp.port is not between 1 and 65535',
      { ...descriptor, smtp: { host: '127.0.0.1', port: 0 } },
    ],
    [
      'port 65536',
      'smtp.port is not between 1 and 65535',
      { ...descriptor, smtp: { host: '127.0.0.1', port: 65_536 } },
    ],
    ['half a port', 'smtp.port is no integer', { ...descriptor, smtp: { host: '127.0.0.1', port: 25.5 } }],
    ['a port as text', 'smtp.port is no integer', { ...descriptor, smtp: { host: '127.0.0.1', port: '25' } }],
    [
      'an unknown member of the endpoint',
      'smtp has a member that is not defined',
      { ...descriptor, smtp: { ...descriptor.smtp, tls: true } },
    ],
    ['an upper-case pin', 'tlsPins[0] is no hex SHA-256', { ...descriptor, tlsPins: ['AB'.repeat(32)] }],
    ['a short pin', 'tlsPins[0] is no hex SHA-256', { ...descriptor, tlsPins: ['ab'] }],
    ['no pin', 'tlsPins is no list with an item', { ...descriptor, tlsPins: [] }],
    ['a pin without a list', 'tlsPins is no list with an item', { ...descriptor, tlsPins: 'ab'.repeat(32) }],
    [
      'a pin twice',
      'tlsPins has an item twice',
      { ...descriptor, tlsPins: ['ab', 'ab'].map((octet) => octet.repeat(32)) },
    ],
    [
      'three pins',
      'tlsPins has more than 2 items',
      { ...descriptor, tlsPins: ['ab', 'cd', 'ef'].map((octet) => octet.repeat(32)) },
    ],
    ['a capacity that is no power of two', 'capacity is no power of two', { ...descriptor, capacity: 3 }],
    ['a mix of no capacity', 'capacity does not fit the roles', { ...descriptor, capacity: 0 }],
    ['a capacity beyond all', 'capacity is not between 0 and 1024', { ...descriptor, capacity: 2_048 }],
    [
      'a gateway with a capacity',
      'capacity does not fit the roles',
      { ...gateway('mix1.test'), capacity: 1 },
    ],
    ['a load beyond all', 'load is not between 0 and 33', { ...descriptor, load: 34 }],
    ['a gateway with a load', 'load does not fit the roles', { ...gateway('mix1.test'), load: 1 }],
    ['a mix without protocols', 'protocols do not fit the roles', { ...descriptor, protocols: [] }],
    ['protocols out of order', 'protocols[1] is out of order', { ...descriptor, protocols: [2, 1] }],
    [
      'five downtimes',
      'downtime has more than 4 items',
      { ...descriptor, downtime: [1, 3, 5, 7, 9].map((from) => ({ from, until: from + 1 })) },
    ],
    [
      'a downtime that ends as it begins',
      'downtime[0] ends before it begins',
      { ...descriptor, downtime: [{ from: 3, until: 3 }] },
    ],
    [
      'downtimes that overlap',
      'downtime[1] begins before the one before ends',
      {
        ...descriptor,
        downtime: [
          { from: 1, until: 4 },
          { from: 3, until: 5 },
        ],
      },
    ],
    ...[
      'ftp://a.test',
      'http://a.test/',
      'http://u@a.test',
      'http://a.test?q',
      'HTTP://a.test',
      'a.test',
    ].map((mirror): [string, string, unknown] => [
      `the mirror ${mirror}`,
      'mirror is no URL',
      { ...descriptor, mirror },
    ]),
    ...['a', 'a@', '@a.test', 'a@b@c.test', 'http://a.test', 'a b@c.test', '<a@b.test>'].map(
      (contact): [string, string, unknown] => [
        `the contact ${contact}`,
        'contact is no mail address or https URL',
        { ...descriptor, contact },
      ],
    ),
    ['software with a space', 'software is no name and version', { ...descriptor, software: 'postern 1' }],
    [
      'a long certificate',
      'certificate is no certificate',
      { ...descriptor, certificate: 'x'.repeat(1_025) },
    ],
    ['a family with a space', 'family is no family name', { ...descriptor, family: 'a b' }],
    [
      'keys out of order',
      'mixKeys[1] is out of order',
      { ...descriptor, mixKeys: [...descriptor.mixKeys].reverse() },
    ],
    ['two keys for an epoch', 'mixKeys[1] is out of order', { ...descriptor, mixKeys: [key, key] }],
    [
      'nine keys',
      'mixKeys has more than 8 items',
      { ...descriptor, mixKeys: Array.from({ length: 9 }, (_, i) => ({ ...key, epoch: i })) },
    ],
    [
      'domains of too many characters together',
      'domains have more than 1024 characters together',
      { ...gateway('mix1.test'), domains: ['a', 'b', 'c', 'd', 'e'].map((one) => `${one}.${long}`) },
    ],
    [
      'a key for a negative epoch',
      'mixKeys[0].epoch is not between 0 and 4294967295',
      { ...descriptor, mixKeys: [{ ...key, epoch: -1 }] },
    ],
    [
      'a key for an epoch beyond 32 bits',
      'mixKeys[0].epoch is not between 0 and 4294967295',
      { ...descriptor, mixKeys: [{ ...key, epoch: 2 ** 32 }] },
    ],
    [
      'a short mix key',
      'mixKeys[0].key is no base64 of 1216 bytes',
      { ...descriptor, mixKeys: [{ epoch, key: 'AAAA' }] },
    ],
    [
      'a mix key that is none',
      'a mix key is no public key of the KEM',
      { ...descriptor, mixKeys: [{ epoch, key: badKey }] },
    ],
    ['a negative time', 'published is not between 0 and 2597596220016000', { ...descriptor, published: -1 }],
    ['null', 'the document is no object', null],
  ];
  test.each(malformed)('as malformed with %s', (_, detail, value) => {
    const refusal = { kind: 'refused', reason: 'malformed', detail };
    expect(verifyDescriptor(signedAnyway(value))).toEqual(refusal);
  });

  const [, json = ''] = signed.split('\n');
  test.each([
    ['an unknown version', 'unknown-version', signedText(`postern.descriptor/v2\n${json}\n`)],
    ['another kind of document', 'malformed', signedText(`postern.consensus/v1\n${json}\n`)],
    ['a space in the JSON', 'malformed', signedText(`postern.descriptor/v1\n${json} \n`)],
    ['a line more', 'malformed', signedText(`postern.descriptor/v1\n${json}\n\n`)],
    ['two signatures', 'malformed', signed + signed.slice(signed.lastIndexOf('\u2014'))],
    [
      'the signature of another key',
      'bad-signature',
      signedText(parseNote(signed, maxDescriptorLength)?.text ?? '', 'mix1.test', identity),
    ],
    [
      'a signature under another name',
      'bad-signature',
      signed.replace(/\u2014 mix1\.test/, '\u2014 mix2.test'),
    ],
    ['a signature over another text', 'bad-signature', signed.replace('127.0.0.1', '127.0.0.2')],
    ['no signature', 'malformed', signed.slice(0, signed.lastIndexOf('\u2014'))],
    ['too many characters', 'oversized', 'x'.repeat(maxDescriptorLength + 1)],
    ['nothing in it', 'malformed', ''],
  ])('with %s as %s', (_, reason, text) => {
    expect(json).not.toBe('');
    expect(reasonOf(text)).toBe(reason);
  });

  const { published } = descriptor;
  const certified = (change: object, name = 'mix1.test') => ({
    ...descriptor,
    certificate: testNode(name, { now, change }).members.certificate,
  });
  test.each<[string, string, unknown]>([
    ['that is none', 'of its certificate: it is no signed note', { ...descriptor, certificate: 'x' }],
    [
      'of another node',
      'its certificate is by another identity key',
      { ...descriptor, certificate: keysOf('mix2.test').members.certificate },
    ],
    [
      'for another key',
      'its certificate is for another signing key',
      certified({ signingKey: keysOf('mix2.test').members.signingKey }),
    ],
    [
      'that has not begun',
      `its certificate is valid from ${new Date((published + 1) * 1_000).toISOString()}`,
      certified({ validAfter: published + 1 }),
    ],
    [
      'that has ended',
      `its certificate was valid until ${new Date(published * 1_000).toISOString()}`,
      certified({ validUntil: published }),
    ],
  ])('with a certificate %s', (_, detail, value) => {
    const refusal = { kind: 'refused', reason: 'bad-certificate', detail };
    expect(verifyDescriptor(signedAnyway(value))).toEqual(refusal);
  });

  test('when any character outside the mix keys is changed', () => {
    const keysFrom = signed.indexOf('"mixKeys"');
    const keysTo = signed.indexOf('"name"');
    for (let at = 0; at < signed.length; at++) {
      if (at > keysFrom && at < keysTo && at % 97 !== 0) continue;
      const other = signed[at] === '0' ? '1' : '0';
      expect(reasonOf(signed.slice(0, at) + other + signed.slice(at + 1))).not.toBe('descriptor');
    }
  });

  test('when it is cut anywhere', () => {
    fc.assert(
      fc.property(fc.nat(signed.length - 1), (length) => {
        expect(reasonOf(signed.slice(0, length))).not.toBe('descriptor');
      }),
    );
  });
});

test.each(['mx.b.test', '192.0.2.7', '2001:db8::1', '::1'])('takes the host %s', (host) => {
  const at = mix('mix1.test', { smtp: { host, port: 25 } });
  expect(reasonOf(signDescriptor(at, seed))).toBe('descriptor');
});

test.each([
  '',
  'MX.b.test',
  '192.0.2',
  '192.0.2.07',
  '1.2.3.0xff',
  '[::1]',
  '0:0::1',
  'fe80::1%eth0',
  'a b',
  'a/b',
  'a@b',
  '2001:DB8::1',
])('refuses the host %j', (host) => {
  expect(reasonOf(signedAnyway({ ...descriptor, smtp: { host, port: 25 } }))).toBe('malformed');
});

test('reads back what was written, and writes back what was read', () => {
  fc.assert(
    fc.property(
      fc.record({
        port: fc.integer({ min: 1, max: 65_535 }),
        family: fc.constantFrom('', 'op-1', 'x'),
        published: fc.integer({ min: now, max: now + 10_000_000 }),
        domains: fc.uniqueArray(fc.constantFrom('a.test', 'b.test', 'c.test', 'xn--nxasmq6b.test'), {
          minLength: 1,
        }),
      }),
      ({ port, family, published, domains }) => {
        const one = gateway('mix1.test', { smtp: { host: 'mx.test', port }, family, published, domains });
        const text = signDescriptor(one, seed);
        const verified = verifyDescriptor(text);
        if (verified.kind === 'refused') throw new Error(verified.detail);
        expect(verified.descriptor).toEqual({ ...one, domains: [...domains].sort() });
        expect(signDescriptor(verified.descriptor, seed)).toBe(text);
        expect(parseNote(text, maxDescriptorLength)?.signatures).toHaveLength(1);
      },
    ),
  );
});
