import { describe, expect, test } from 'vitest';
import { hpkeSetting, setupRecipient, setupSender } from './hpke.ts';
import type { Random } from './random.ts';
import { systemRandom } from './random.ts';
import { encapsulateXWing, loadXWing } from './xwing.ts';

const info = new TextEncoder().encode('info');
const label = new TextEncoder().encode('label');

describe.each(['aes-256-gcm', 'chacha20-poly1305'] as const)('%s', (aead) => {
  const setting = hpkeSetting(aead, info);
  const key = loadXWing(systemRandom.bytes(32));

  test('the recipient opens what the sender sealed, and exports the same', () => {
    const sender = setupSender(setting, key.publicKey);
    if (sender === undefined) throw new Error('a good key refused');
    const sealed = sender.seal(label);
    const recipient = setupRecipient(setting, key, sender.enc);
    expect(recipient?.open(sealed)).toEqual(label);
    expect(recipient?.export(label, 77)).toEqual(sender.export(label, 77));
    expect(recipient?.export(label, 32)).not.toEqual(sender.export(info, 32));
  });

  test('another info, key or ciphertext opens nothing', () => {
    const sender = setupSender(setting, key.publicKey);
    if (sender === undefined) throw new Error('a good key refused');
    const sealed = sender.seal(label);
    const other = loadXWing(systemRandom.bytes(32));
    const contexts = [
      setupRecipient(hpkeSetting(aead, label), key, sender.enc),
      setupRecipient(setting, other, sender.enc),
      setupRecipient(setting, key, setupSender(setting, key.publicKey)?.enc ?? sender.enc),
    ];
    for (const context of contexts) expect(context?.open(sealed)).toBeUndefined();
    expect(contexts).not.toContain(undefined);
  });

  test('a public key of the wrong length, or with an ML-KEM part that is not reduced, is refused', () => {
    expect(setupSender(setting, key.publicKey.subarray(1))).toBeUndefined();
    expect(setupSender(setting, new Uint8Array(1216).fill(0xff))).toBeUndefined();
  });

  test('an X25519 part of small order is refused, in keys and ciphertexts', () => {
    const weak = key.publicKey.slice().fill(0, 1184);
    expect(setupSender(setting, weak)).toBeUndefined();
    const enc = encapsulateXWing(key.publicKey)?.ciphertext.fill(0, 1088);
    expect(setupRecipient(setting, key, enc ?? new Uint8Array())).toBeUndefined();
  });
});

test('each encapsulation is fresh, unless the randomness is given', () => {
  const { publicKey } = loadXWing(systemRandom.bytes(32));
  const given: Random = { bytes: (length) => new Uint8Array(length).fill(3) };
  const texts = [systemRandom, systemRandom, given, given].map(
    (random) => encapsulateXWing(publicKey, random)?.ciphertext,
  );
  expect(texts[0]).not.toEqual(texts[1]);
  expect(texts[2]).toEqual(texts[3]);
  expect(texts[0]?.subarray(0, 1088)).not.toEqual(texts[1]?.subarray(0, 1088));
  expect(texts[0]?.subarray(1088)).not.toEqual(texts[1]?.subarray(1088));
});
