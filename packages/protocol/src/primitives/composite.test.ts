import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { composite } from './composite.ts';

const path = new URL('../../../../test/vectors/composite-signature.json', import.meta.url);
const vectors = JSON.parse(await readFile(path, 'utf8')) as Record<string, string>;
const of = (name: string): Uint8Array => new Uint8Array(Buffer.from(vectors[name] ?? '', 'hex'));
const [seed, publicKey, message, context] = ['seed', 'publicKey', 'message', 'context'].map(of) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

test('the draft’s key and signatures hold', () => {
  expect(composite.publicKey(seed)).toEqual(publicKey);
  expect(composite.verify(of('signature'), message, publicKey)).toBe(true);
  expect(composite.verify(of('signatureWithContext'), message, publicKey, context)).toBe(true);
  expect(composite.verify(of('signature'), message, publicKey, context)).toBe(false);
  expect(composite.verify(of('signatureWithContext'), message, publicKey)).toBe(false);
});

test('a signature of ours holds for what was signed alone', () => {
  const signature = composite.sign(message, seed, context);
  expect(composite.verify(signature, message, publicKey, context)).toBe(true);
  expect(composite.verify(signature, message.slice(1), publicKey, context)).toBe(false);
  expect(composite.verify(signature.slice(1), message, publicKey, context)).toBe(false);
  expect(composite.verify(signature, message, publicKey.slice(1), context)).toBe(false);
});

test('either part that is another’s spoils it', () => {
  const mine = composite.sign(message, seed);
  const { privateKey } = composite.generate();
  const theirs = composite.sign(message, privateKey);
  for (const mixed of [
    Uint8Array.of(...mine.slice(0, 3309), ...theirs.slice(3309)),
    Uint8Array.of(...theirs.slice(0, 3309), ...mine.slice(3309)),
  ])
    expect(composite.verify(mixed, message, publicKey)).toBe(false);
});

test('a context that is too long is refused', () => {
  expect(() => composite.sign(message, seed, new Uint8Array(256))).toThrow(RangeError);
});
