import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concat } from '../codec/bytes.ts';
import { decryptLioness, encryptLioness, lionessKeyBytes } from './lioness.ts';
import type { StreamCipher } from './provider.ts';
import { systemRandom } from './random.ts';

const cipher = fc.constantFrom<StreamCipher>('aes-256-ctr', 'chacha20');
const key = fc.uint8Array({ minLength: lionessKeyBytes, maxLength: lionessKeyBytes });
const block = fc.uint8Array({ minLength: 33, maxLength: 400 });

test('decrypting undoes encrypting, and the other way round', () => {
  fc.assert(
    fc.property(cipher, key, block, (c, k, b) => {
      const encrypted = encryptLioness(c, k, b);
      const decrypted = decryptLioness(c, k, b);
      const back = decryptLioness(c, k, concat(encrypted.left, encrypted.right));
      const forth = encryptLioness(c, k, concat(decrypted.left, decrypted.right));
      expect(concat(back.left, back.right)).toEqual(b);
      expect(concat(forth.left, forth.right)).toEqual(b);
    }),
  );
});

test('one changed bit changes about half of all bits, both ways', () => {
  fc.assert(
    fc.property(cipher, fc.nat(), (c, position) => {
      const k = systemRandom.bytes(lionessKeyBytes);
      const b = systemRandom.bytes(1000);
      const changed = b.slice();
      changed[position % 1000] = (changed[position % 1000] ?? 0) ^ 0x10;
      for (const transform of [encryptLioness, decryptLioness]) {
        const one = transform(c, k, b);
        const two = transform(c, k, changed);
        for (const part of ['left', 'right'] as const) {
          const share = differing(one[part], two[part]) / (8 * one[part].length);
          expect(share).toBeGreaterThan(0.2);
          expect(share).toBeLessThan(0.8);
        }
      }
    }),
  );
});

test('every byte of the key counts', () => {
  fc.assert(
    fc.property(cipher, fc.nat(lionessKeyBytes - 1), (c, position) => {
      const k = systemRandom.bytes(lionessKeyBytes);
      const other = k.slice();
      other[position] = (other[position] ?? 0) ^ 1;
      const b = new Uint8Array(100);
      expect(encryptLioness(c, k, b)).not.toEqual(encryptLioness(c, other, b));
    }),
  );
});

function differing(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, byte, i) => sum + (byte ^ (b[i] ?? 0)).toString(2).replaceAll('0', '').length, 0);
}
