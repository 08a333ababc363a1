import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { parseAnchors } from '@postern/runtime/dns';
import {
  compareNames,
  decodeMessage,
  deny,
  encodeQuery,
  isDenied,
  judge,
  nameToWire,
  nearer,
  parseName,
  readAnswer,
  readBitmap,
  readData,
  readDelegation,
  readHashedSpan,
  readName,
  readSpan,
  readZoneKey,
  types,
} from '@postern/runtime/testing';
import { hold, type Target, throwUnless, utf8 } from '../target.ts';

const owner = 'b.test.';
const asked = ['TXT', 'MX', 'A', 'AAAA', 'TLSA', 'OPENPGPKEY'] as const;

/** Answers of a name server, or of whoever gets in between. */
const message: Target = {
  name: 'dns-message',
  maxBytes: 65_535,
  seeds: () => [
    ...asked.map((type) => response(types[type], [record(owner, types[type], samples[type])])),
    response(types.MX, [
      record(owner, types.CNAME, nameToWire('c.test.')),
      record('c.test.', types.MX, samples.MX),
    ]),
    response(types.MX, [], [record(owner, types.SOA, soa)]),
    compressed,
  ],
  run(input) {
    const decoded = decodeMessage(input);
    if (decoded === undefined) return;
    for (const type of asked) {
      const answer = readAnswer(decoded, owner, type, true);
      if (answer.kind === 'found') hold(answer.records.length > 0, 'what is found has records');
    }
    const names = [...decoded.answer, ...decoded.authority].map(({ name }) => name);
    for (const name of names) {
      const again = readName(nameToWire(name), 0);
      hold(again?.name === name, 'a name is read as it is written');
      hold(compareNames(name, name) === 0, 'a name equals itself');
    }
    if (decoded.question !== undefined)
      encodeQuery({ ...decoded.question, id: decoded.id, checkingDisabled: false });
  },
};

const data: Target = {
  name: 'dns-data',
  seeds: () => [...Object.values(samples), dnskey, delegation, Buffer.from('0006400000000003', 'hex')],
  run(input) {
    for (const type of asked) readData(type, input);
    readDelegation(input);
    readZoneKey(input);
    const present = readBitmap(input);
    if (present !== undefined) isDenied({ name: owner, type: types.MX, zone: owner }, present);
    for (const name of ['b.test.', `${'0'.repeat(32)}.b.test.`]) {
      readSpan({ name, type: types.NSEC, ttl: 1, data: input });
      readHashedSpan({ name, type: types.NSEC3, ttl: 1, data: input }, owner);
    }
  },
};

/** What a zone says of itself, judged by its own keys: bounded work, whatever stands there. */
const dnssec: Target = {
  name: 'dns-dnssec',
  maxBytes: 65_535,
  seeds: () => [
    response(types.MX, [
      record(owner, types.MX, samples.MX),
      record(owner, types.RRSIG, signature),
      keyRecord,
    ]),
    response(
      types.MX,
      [keyRecord],
      [
        record(
          owner,
          types.NSEC,
          Buffer.concat([nameToWire('c.b.test.'), Buffer.from('000640000000000b', 'hex')]),
        ),
        record(
          `${'0'.repeat(32)}.b.test.`,
          types.NSEC3,
          Buffer.concat([
            Buffer.of(1, 0, 0, 0, 0, 20),
            Buffer.alloc(20, 0xff),
            Buffer.from('000640000000000b', 'hex'),
          ]),
        ),
      ],
    ),
  ],
  tokens: ['\x01b\x04test\x00', '*'],
  bounded: 200,
  run(input) {
    const decoded = decodeMessage(input);
    if (decoded === undefined) return;
    const keys = decoded.answer
      .filter(({ type }) => type === types.DNSKEY)
      .flatMap(({ data: key }) => readZoneKey(key) ?? []);
    const budget = { verifications: 200 };
    const zone = { name: owner, keys };
    for (const first of decoded.answer) {
      const set = decoded.answer.filter(({ name, type }) => name === first.name && type === first.type);
      judge(set, decoded.answer, zone, { now: signedAt, budget });
    }
    for (const name of [owner, 'a.b.test.', '*.b.test.', 'x.y.b.test.']) {
      for (const type of [types.MX, types.DS]) deny({ name, type, zone: owner }, decoded.authority);
      nearer({ name, zone: owner }, owner, decoded.authority);
    }
    hold(budget.verifications >= 0, 'no more signatures are verified than may be');
  },
};

const names: Target = {
  name: 'dns-name',
  seeds: () => ['b.test', 'b.test.', '.', '*.b.test'].map((text) => Buffer.from(text)),
  tokens: ['.', '\\', '\\046', '*'],
  run(input) {
    readName(input, 0);
    try {
      const name = parseName(utf8(input));
      hold(readName(nameToWire(name), 0)?.name === name, 'a name that people write can be asked for');
    } catch (fault) {
      throwUnless(fault, 'wrong-name');
    }
  },
};

const anchors: Target = {
  name: 'dns-anchors',
  seeds: () => [
    Buffer.from('. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n'),
    Buffer.from(`. 3600 IN DNSKEY 257 3 15 ${key.subarray(-32).toString('base64')} ; a comment\n`),
  ],
  tokens: [' DS ', ' DNSKEY ', '; ', '\n', '65535', ' 257 3 8 '],
  run(input) {
    try {
      hold(parseAnchors(utf8(input)).length > 0, 'there is an anchor');
    } catch (fault) {
      throwUnless(fault, 'wrong-anchors');
    }
  },
};

const u16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);
const u32 = (value: number): Buffer => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);

function record(name: string, type: number, content: Uint8Array): Buffer {
  return Buffer.concat([nameToWire(name), u16(type), u16(1), u32(300), u16(content.length), content]);
}

function response(type: number, answer: readonly Buffer[], authority: readonly Buffer[] = []): Buffer {
  const counts = [1, answer.length, authority.length, 0].map(u16);
  const question = Buffer.concat([nameToWire(owner), u16(type), u16(1)]);
  return Buffer.concat([u16(0x1234), u16(0x8180), ...counts, question, ...answer, ...authority]);
}

const soa = Buffer.concat([nameToWire('ns.b.test.'), nameToWire('hm.b.test.'), ...[1, 2, 3, 4, 60].map(u32)]);
const samples = {
  TXT: Buffer.from('\x05v=SM1\x03abc', 'latin1'),
  MX: Buffer.concat([u16(10), nameToWire('mx.b.test.')]),
  A: Buffer.of(192, 0, 2, 1),
  AAAA: Buffer.from('20010db8000000000000000000000001', 'hex'),
  TLSA: Buffer.concat([Buffer.of(3, 1, 1), Buffer.alloc(32, 7)]),
  OPENPGPKEY: Buffer.from([0xc6, 1, 2, 3]),
};
/** A name that points back to the question. */
const compressed = Buffer.concat([
  response(types.MX, []).fill(1, 7, 8),
  Buffer.from('c00c000f00010000012c0004000ac00c', 'hex'),
]);

const secret = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 9)]),
  format: 'der',
  type: 'pkcs8',
});
const key = createPublicKey(secret).export({ type: 'spki', format: 'der' });
const dnskey = Buffer.concat([u16(257), Buffer.of(3, 15), key.subarray(-32)]);
const keyRecord = record(owner, types.DNSKEY, dnskey);
const tag = readZoneKey(dnskey)?.tag ?? 0;
const delegation = Buffer.concat([u16(tag), Buffer.of(15, 2), Buffer.alloc(32, 1)]);
const signedAt = 1_780_000_000;
const signatureHead = Buffer.concat([
  u16(types.MX),
  Buffer.of(15, 2),
  u32(300),
  u32(signedAt + 1000),
  u32(signedAt - 1000),
  u16(tag),
  nameToWire(owner),
]);
const signature = Buffer.concat([
  signatureHead,
  sign(null, Buffer.concat([signatureHead, record(owner, types.MX, samples.MX)]), secret),
]);

export const dnsTargets: readonly Target[] = [message, data, dnssec, names, anchors];
