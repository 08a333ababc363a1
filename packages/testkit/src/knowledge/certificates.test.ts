import { expect, test } from 'vitest';
import { keyIdsIn } from './certificates.ts';

// RFC 9580 appendix A.1: a version 4 Ed25519Legacy key; its key id is the end of its fingerprint.
const sample = Buffer.from(
  '98330453f35f0b16092b06010401da470f010107403f098994bdd916ed4053197934e4a87c80733a1280d62f8010992e43ee3b2406',
  'hex',
);

test('the key id of the key in RFC 9580 appendix A.1, with an old and a new packet header', () => {
  const body = sample.subarray(2);
  for (const header of [
    [0x98, 0x33],
    [0x99, 0, 0x33],
    [0x9a, 0, 0, 0, 0x33],
    [0xc6, 0x33],
    [0xc6, 0xff, 0, 0, 0, 0x33],
  ]) {
    const ids = keyIdsIn(Buffer.concat([Buffer.from(header), body]));
    expect(ids.map((id) => Buffer.from(id).toString('hex'))).toEqual(['8cfde12197965a9a']);
  }
});

test('armored, with a subkey behind a packet that is neither', () => {
  const user = Buffer.from([0xcd, 1, 0x41]);
  const subkey = Buffer.concat([Buffer.from([0xce, 0x33]), sample.subarray(2)]);
  const armored = `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${Buffer.concat([sample, user, subkey]).toString('base64')}\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n`;
  expect(keyIdsIn(Buffer.from(armored))).toHaveLength(2);
});

test('what is cut is refused', () => {
  expect(() => keyIdsIn(sample.subarray(0, 20))).toThrow(RangeError);
});
