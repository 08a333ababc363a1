import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex as hex, hexToBytes as unhex } from '@noble/hashes/utils.js';
import { encapsulateXWing, loadXWing } from '@postern/protocol/primitives';
import { describe, expect, test } from 'vitest';
import * as reference from './reference/hpke.ts';

interface XWingVector {
  readonly sk: string;
  readonly eseed: string;
  readonly pk: string;
  readonly ct: string;
  readonly ss: string;
}

const path = join(import.meta.dirname, '..', 'vectors', 'xwing.json');
const { vectors } = JSON.parse(readFileSync(path, 'utf8')) as { vectors: XWingVector[] };

describe.each(vectors.map((vector, i) => [i + 1, vector] as const))('draft vector %i', (_, vector) => {
  test('key, encapsulation and decapsulation are those of the draft', () => {
    const key = loadXWing(unhex(vector.sk));
    const encapsulated = encapsulateXWing(unhex(vector.pk), { bytes: () => unhex(vector.eseed) });
    expect(hex(key.publicKey)).toBe(vector.pk);
    expect(hex(encapsulated?.ciphertext ?? new Uint8Array())).toBe(vector.ct);
    expect(hex(encapsulated?.secret ?? new Uint8Array())).toBe(vector.ss);
    expect(hex(key.decapsulate(unhex(vector.ct)) ?? new Uint8Array())).toBe(vector.ss);
  });

  test('the reference agrees', () => {
    const { ciphertext, secret } = reference.xwingEncapsulate(unhex(vector.pk), unhex(vector.eseed));
    expect(hex(reference.xwingPublicKey(unhex(vector.sk)))).toBe(vector.pk);
    expect([hex(ciphertext), hex(secret)]).toEqual([vector.ct, vector.ss]);
    expect(hex(reference.xwingDecapsulate(unhex(vector.sk), ciphertext))).toBe(vector.ss);
  });
});

test('the draft has three vectors', () => {
  expect(vectors).toHaveLength(3);
});
