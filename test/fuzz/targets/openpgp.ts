import {
  decodeFragment,
  type EnvelopeKey,
  encodeFragment,
  type Fragment,
  join,
  loadCertificate,
  loadEnvelopeKey,
  openEnvelope,
  sealEnvelope,
} from '@postern/protocol/envelope';
import { open, seal } from '@postern/protocol/sealed';
import {
  decryptMessage,
  encryptContent,
  framePackets,
  inspectCertificate,
  judge,
  literalFields,
  literalPacket,
  mimeAround,
  now,
  packetTypes,
  parseOuter,
  readContent,
  seeded,
  writePacket,
} from '@postern/protocol/testing';
import { createMessage, type PrivateKey, type PublicKey, readPrivateKey, sign } from 'openpgp';
import { bytes, hold, sameBytes, type Target, throwUnless } from '../target.ts';
import { domainKey, personKey } from './keys.ts';

const random = seeded('fuzz openpgp');

const fragments: readonly Fragment[] = [
  {
    recipient: 'bob@b.test',
    setId: random.bytes(16),
    index: 0,
    k: 1,
    n: 1,
    totalBytes: 40,
    expires: 3_600 * 490_000,
    returnInfo: new Uint8Array(),
    attestation: bytes('a.test'),
    data: random.bytes(40),
  },
  {
    recipient: 'b@x',
    setId: random.bytes(16),
    index: 2,
    k: 3,
    n: 3,
    totalBytes: 100,
    expires: 0,
    returnInfo: random.bytes(20),
    attestation: new Uint8Array(),
    data: random.bytes(33),
  },
];

const fragment: Target = {
  name: 'envelope-fragment',
  seeds: () => fragments.map(encodeFragment),
  tokens: ['@b.test', 'bob@b.test'],
  run(input) {
    const decoded = decodeFragment(input);
    if (decoded.kind === 'refused') return;
    sameBytes(encodeFragment(decoded.fragment), input, 'a fragment');
    join([decoded.fragment]);
  },
};

/** Several fragments one behind the other, each with its length in front, put together. */
const joining: Target = {
  name: 'envelope-join',
  seeds: () => [
    framed(fragments.map(encodeFragment)),
    framed([0, 0].flatMap(() => fragments.map(encodeFragment))),
  ],
  run(input) {
    const found: Fragment[] = [];
    for (let at = 0; at + 2 <= input.length && found.length < 64; ) {
      const length = ((input[at] ?? 0) << 8) | (input[at + 1] ?? 0);
      const decoded = decodeFragment(input.subarray(at + 2, at + 2 + length));
      if (decoded.kind === 'fragment') found.push(decoded.fragment);
      at += 2 + length;
    }
    join(found);
  },
};

/** What anybody can send to a gateway. */
const envelope: Target = {
  name: 'envelope-open',
  async seeds() {
    key = await loadEnvelopeKey(domainKey.secretKey);
    const [first] = fragments;
    if (first === undefined) throw new RangeError('no fragment');
    return [await sealEnvelope(first, domainKey.certificate, 900)];
  },
  bounded: 40,
  async run(input) {
    const opened = await openEnvelope(input, key === undefined ? [] : [key]);
    if (opened.kind === 'fragment') encodeFragment(opened.fragment);
  },
};
let key: EnvelopeKey | undefined;

/** What somebody can seal for a gateway who keeps to the outside alone. */
const envelopeContent: Target = {
  name: 'envelope-content',
  async seeds() {
    key = await loadEnvelopeKey(domainKey.secretKey);
    const [first] = fragments;
    if (first === undefined) throw new RangeError('no fragment');
    const literal = writePacket(packetTypes.literalData, literalFields, encodeFragment(first));
    return [new Uint8Array([...literal, ...writePacket(packetTypes.padding, random.bytes(30))])];
  },
  bounded: 20,
  async run(input) {
    const { publicKey } = await personKeys(domainKey.secretKey);
    const sealed = await encryptContent(input, publicKey, true);
    await openEnvelope(sealed, key === undefined ? [] : [key]);
  },
};

const packets: Target = {
  name: 'openpgp-packets',
  maxBytes: 131_072,
  seeds: () => [
    literalPacket('text'),
    domainKey.certificate,
    new Uint8Array([0xd1, 0xe1, 1, 2, 0xe0, 3, 2, 4, 5]),
  ],
  run(input) {
    const framed = framePackets(input, 32);
    if (framed === undefined) return;
    hold((framed.at(-1)?.end ?? 0) === input.length, 'packets lie behind each other up to the end');
    hold(
      framed.every(({ body }) => body.length <= input.length),
      'a body is no longer than all',
    );
  },
};

/** Whole sealed messages: header, parts, armor, encryption. */
const sealedOuter: Target = {
  name: 'sealed-open',
  maxBytes: 131_072,
  seeds: async () => {
    const { privateKey, publicKey } = await personKeys(personKey);
    const message = bytes('From: Alice <alice@a.test>\r\nTo: bob@b.test\r\nSubject: hello\r\n\r\nHello\r\n');
    const outer = { from: 'secure@b.test', to: 'bob@b.test', date: now, messageId: '<0123@b.test>' };
    return [
      await seal(message, { signingKey: privateKey, certificate: publicKey, outer, now }),
      mimeAround(await encryptContent(literalPacket('Subject: bare\r\n\r\ntext'), publicKey)),
    ];
  },
  bounded: 40,
  async run(input) {
    parseOuter(input);
    const { privateKey, publicKey } = await personKeys(personKey);
    await open(input, { decryptionKeys: [privateKey], verificationKeys: [publicKey], date: now });
  },
};

const decryption: Target = {
  name: 'sealed-decrypt',
  maxBytes: 131_072,
  seeds: async () => [await encryptContent(literalPacket('text'), (await personKeys(personKey)).publicKey)],
  bounded: 40,
  async run(input) {
    await decryptMessage(input, [(await personKeys(personKey)).privateKey]);
  },
};

/** What was encrypted: compression, literal, signatures. A bomb in it must not go off. */
const content: Target = {
  name: 'sealed-content',
  maxBytes: 131_072,
  seeds: async () => {
    const { privateKey } = await personKeys(personKey);
    const message = await createMessage({ binary: bytes('From: a@a.test\r\n\r\ntext\r\n') });
    const signed = await sign({ message, signingKeys: privateKey, format: 'binary', date: now });
    return [signed, literalPacket('text'), await compressed(1, signed), await compressed(2, signed)];
  },
  bounded: 60,
  async run(input) {
    const read = readContent(input, mostBytes);
    if (read.kind === 'refused') return;
    hold(read.literal.length <= mostBytes, 'decompression keeps to its bound');
    await judge(read.packets, [(await personKeys(personKey)).publicKey], now);
  },
};
const mostBytes = 1_000_000;

const certificate: Target = {
  name: 'dns-certificate',
  maxBytes: 131_072,
  seeds: () => [domainKey.certificate],
  bounded: 60,
  async run(input) {
    inspectCertificate(input, 'b.test');
    await loadCertificate(input, now).catch((fault: unknown) =>
      throwUnless(fault, 'wrong-key', 'key-expired', 'key-revoked', 'key-unusable'),
    );
  },
};

const secretKey: Target = {
  name: 'envelope-key',
  maxBytes: 131_072,
  seeds: () => [domainKey.secretKey],
  bounded: 60,
  async run(input) {
    await loadEnvelopeKey(input).catch((fault: unknown) => throwUnless(fault, 'wrong-key', 'key-locked'));
  },
};

async function compressed(algorithm: 1 | 2, content: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(content)])
    .stream()
    .pipeThrough(new CompressionStream(algorithm === 1 ? 'deflate-raw' : 'deflate'));
  const data = new Uint8Array(await new Response(stream).arrayBuffer());
  return writePacket(packetTypes.compressedData, Uint8Array.of(algorithm), data);
}

const parsed = new Map<Uint8Array, Promise<{ privateKey: PrivateKey; publicKey: PublicKey }>>();

function personKeys(secret: Uint8Array): Promise<{ privateKey: PrivateKey; publicKey: PublicKey }> {
  const keys =
    parsed.get(secret) ??
    readPrivateKey({ binaryKey: secret }).then((privateKey) => ({
      privateKey,
      publicKey: privateKey.toPublic(),
    }));
  parsed.set(secret, keys);
  return keys;
}

function framed(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [part.length >> 8, part.length & 0xff, ...part]));
}

export const openpgpTargets: readonly Target[] = [
  fragment,
  joining,
  envelope,
  envelopeContent,
  packets,
  sealedOuter,
  decryption,
  content,
  certificate,
  secretKey,
];
