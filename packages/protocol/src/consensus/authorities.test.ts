import { expect, test } from 'vitest';
import { formatVerifierKey, parseVerifierKey } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { composite, ed25519, sha256 } from '../primitives/index.ts';
import { authority1 } from '../testing/network.ts';
import { authorityKey, formatAuthorityKey, parseAuthorityKey } from './authorities.ts';

const { vkey, identity } = authority1;
const { bytes } = parseVerifierKey(vkey) as { bytes: Uint8Array };

test('an authority key is its name and the hash of its identity key, and is written back as read', () => {
  const publicKey = composite.publicKey(identity);
  expect(parseAuthorityKey(vkey)).toEqual({ name: 'authority1.test', identity: sha256(publicKey) });
  expect(formatAuthorityKey(parseAuthorityKey(vkey))).toBe(vkey);
  expect(authorityKey('authority1.test', publicKey)).toEqual(authority1.key);
  expect(Buffer.from(bytes).toString('latin1', 0, 21)).toBe('\xffpostern-authority/v1');
  expect(bytes).toHaveLength(53);
});

test.each([
  ['an Ed25519 key', Uint8Array.of(1, ...ed25519.generate().publicKey)],
  ['another type', Uint8Array.of(0xfe, ...bytes.slice(1))],
  ['another version', Uint8Array.from(bytes, (byte, at) => (at === 20 ? 0x32 : byte))],
  ['a whole key', Uint8Array.of(0xff, ...Buffer.from('MLDSA65-Ed25519-SHA512'), ...new Uint8Array(32))],
  ['a hash that is cut', bytes.slice(0, -1)],
  ['a byte more', Uint8Array.of(...bytes, 0)],
  ['no bytes', new Uint8Array()],
])('%s is none, with a hint', (_, wrong) => {
  expect(() => parseAuthorityKey(formatVerifierKey('a.test', wrong))).toThrow(
    expect.objectContaining({ code: 'wrong-authority', hint: expect.stringContaining('init') }),
  );
});

test('one with a wrong name, key id or length is a mistake', () => {
  expect(() => parseAuthorityKey(vkey.replace(/\+[0-9a-f]{8}\+/, '+00000000+'))).toThrow(ProtocolError);
  expect(() => authorityKey('a b', composite.publicKey(identity))).toThrow(ProtocolError);
  expect(() => authorityKey('a', new Uint8Array(32))).toThrow(ProtocolError);
});
