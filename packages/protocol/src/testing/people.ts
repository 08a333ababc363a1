/* What the tests of `sealed` and of `envelope` have in common. */
import {
  type AnyPacket,
  encrypt,
  generateKey,
  Message,
  PacketList,
  type PrivateKey,
  type PublicKey,
} from 'openpgp';
import { octets } from '../codec/mime-header.ts';
import { framePackets, packetTypes, writePacket } from '../codec/openpgp.ts';
import { formatOuter, parseOuter } from '../sealed/outer.ts';
import { sessionKey } from '../sealed/policy.ts';
import { type SealOptions, seal } from '../sealed/seal.ts';

export interface Person {
  readonly mailbox: string;
  readonly privateKey: PrivateKey;
  readonly publicKey: PublicKey;
}

/** When everything in the tests happens, and when the keys were made. */
export const now: Date = new Date('2026-06-01T10:20:30Z');
export const keysMade: Date = new Date('2026-01-01T00:00:00Z');

export async function person(
  mailbox: string,
  options: { date?: Date; keyExpirationTime?: number } = {},
): Promise<Person> {
  const { privateKey, publicKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ email: mailbox }],
    date: keysMade,
    format: 'object',
    ...options,
  });
  return { mailbox, privateKey, publicKey };
}

export function sealOptions(author: Person, recipient: Person): SealOptions {
  const domain = recipient.mailbox.slice(recipient.mailbox.indexOf('@') + 1);
  return {
    signingKey: author.privateKey,
    certificate: recipient.publicKey,
    outer: {
      from: `secure@${domain}`,
      to: recipient.mailbox,
      date: now,
      messageId: `<0123456789abcdef@${domain}>`,
    },
    now,
  };
}

/** A message that Alice sealed for Bob, and what tests take it apart into. */
export interface SealedLetter {
  readonly alice: Person;
  readonly bob: Person;
  readonly sealed: Uint8Array;
  /** The OpenPGP message in it. */
  readonly encrypted: Uint8Array;
  /** Where its encrypted data begin, behind the session key. */
  readonly dataAt: number;
}

export async function sealedLetter(message: Uint8Array): Promise<SealedLetter> {
  const [alice, bob] = await Promise.all([person('alice@a.test'), person('bob@b.test')]);
  const sealed = await seal(message, sealOptions(alice, bob));
  const outer = parseOuter(sealed);
  if (outer.kind === 'refused') throw new Error(outer.reason);
  const { encrypted } = outer;
  const dataAt = framePackets(encrypted, 2)?.[0]?.end ?? 0;
  return { alice, bob, sealed, encrypted, dataAt };
}

/** An OpenPGP message whose content is these bytes, which need not be packets. */
export async function encryptContent(
  content: Uint8Array,
  to: PublicKey,
  wildcard = false,
): Promise<Uint8Array> {
  return encrypt({
    message: new Message<Uint8Array>(new Written(content)),
    sessionKey: sessionKey(crypto.getRandomValues(new Uint8Array(32))),
    encryptionKeys: to,
    wildcard,
    date: now,
    format: 'binary',
  });
}

export function literalPacket(text: string): Uint8Array {
  return writePacket(packetTypes.literalData, Uint8Array.of(0x62, 0, 0, 0, 0, 0), octets(text));
}

/** PGP/MIME around an OpenPGP message. */
export function mimeAround(encrypted: Uint8Array): Uint8Array {
  return formatOuter([['From', 'secure@b.test']], encrypted);
}

/** The bytes over and over, `count` times. */
export function times(count: number, bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(count * bytes.length);
  for (let at = 0; at < all.length; at += bytes.length) all.set(bytes, at);
  return all;
}

class Written extends PacketList<AnyPacket> {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super();
    this.#bytes = bytes;
  }

  override write(): Uint8Array {
    return this.#bytes;
  }
}
