import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { provider } from '#provider';
import { concat } from '../codec/bytes.ts';
import type { Aead } from './provider.ts';
import type { Random } from './random.ts';
import { encapsulateXWing, type XWingKey } from './xwing.ts';

/*
 * RFC 9180 HPKE in base mode over X-Wing and HKDF-SHA256, single shot: one message a context, so the sequence number is
 * always 0 and the nonce is the base nonce. HKDF of inputs this short is faster in JavaScript than a call into OpenSSL.
 */

/** What both ends of a context can do. */
export interface HpkeContext {
  /** RFC 9180 5.3. */
  export(context: Uint8Array, length: number): Uint8Array;
}

export interface HpkeSender extends HpkeContext {
  readonly enc: Uint8Array;
  /** Ciphertext and tag. To be called once. */
  seal(plaintext: Uint8Array): Uint8Array;
}

export interface HpkeRecipient extends HpkeContext {
  /** Undefined when the ciphertext was not made in this context. */
  open(ciphertext: Uint8Array): Uint8Array | undefined;
}

/** A suite and an `info`, hashed beforehand: the part of the key schedule that is the same for every message. */
export interface HpkeSetting {
  readonly aead: Aead;
  readonly suiteId: Uint8Array;
  readonly keyScheduleContext: Uint8Array;
}

/** RFC 9180 5.1, the lines of KeySchedule that depend on no secret. */
export function hpkeSetting(aead: Aead, info: Uint8Array): HpkeSetting {
  const suiteId = concat(ascii('HPKE'), u16(0x647a), u16(0x0001), u16(aeadIds[aead]));
  const pskIdHash = labeledExtract(suiteId, none, 'psk_id_hash', none);
  const infoHash = labeledExtract(suiteId, none, 'info_hash', info);
  return { aead, suiteId, keyScheduleContext: concat(Uint8Array.of(modeBase), pskIdHash, infoHash) };
}

/** SetupBaseS; undefined when the public key is not valid. */
export function setupSender(
  setting: HpkeSetting,
  publicKey: Uint8Array,
  random?: Random,
): HpkeSender | undefined {
  const encapsulated = encapsulateXWing(publicKey, random);
  if (encapsulated === undefined) return undefined;
  const keys = keySchedule(setting, encapsulated.secret);
  return {
    enc: encapsulated.ciphertext,
    seal: (plaintext) => provider.aeadSeal(setting.aead, keys.key(), keys.baseNonce(), plaintext),
    export: keys.export,
  };
}

/** SetupBaseR; undefined when the KEM refuses `enc`. */
export function setupRecipient(
  setting: HpkeSetting,
  key: XWingKey,
  enc: Uint8Array,
): HpkeRecipient | undefined {
  const secret = key.decapsulate(enc);
  if (secret === undefined) return undefined;
  const keys = keySchedule(setting, secret);
  return {
    open: (ciphertext) => provider.aeadOpen(setting.aead, keys.key(), keys.baseNonce(), ciphertext),
    export: keys.export,
  };
}

const modeBase = 0x00;
const aeadIds: Readonly<Record<Aead, number>> = { 'aes-256-gcm': 0x0002, 'chacha20-poly1305': 0x0003 };
const none = new Uint8Array(0);

function keySchedule({ suiteId, keyScheduleContext }: HpkeSetting, sharedSecret: Uint8Array) {
  const secret = labeledExtract(suiteId, sharedSecret, 'secret', none);
  const exporterSecret = labeledExpand(suiteId, secret, 'exp', keyScheduleContext, 32);
  return {
    key: () => labeledExpand(suiteId, secret, 'key', keyScheduleContext, 32),
    baseNonce: () => labeledExpand(suiteId, secret, 'base_nonce', keyScheduleContext, 12),
    export: (context: Uint8Array, length: number) =>
      labeledExpand(suiteId, exporterSecret, 'sec', context, length),
  };
}

const version = ascii('HPKE-v1');

function labeledExtract(suiteId: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array {
  return extract(sha256, concat(version, suiteId, ascii(label), ikm), salt);
}

function labeledExpand(
  suiteId: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  return expand(sha256, prk, concat(u16(length), version, suiteId, ascii(label), info), length);
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 255);
}
