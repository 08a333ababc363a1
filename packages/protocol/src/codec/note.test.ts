import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ed25519 } from '../primitives/index.ts';
import {
  checkSignatures,
  formatNote,
  formatVerifierKey,
  isKeyName,
  type NoteAlgorithm,
  noteKey,
  noteSigner,
  parseNote,
  parseVerifierKey,
  signText,
} from './note.ts';

const seed = new Uint8Array(32).fill(7);
const own = noteSigner('ed25519', 'a.test', seed);
const key = noteKey('ed25519', 'a.test', ed25519.publicKey(seed));
const text = 'one\n\ntwo\n';
const signed = formatNote({ text, signatures: [signText(text, own)] });

function signers(note: string): string[] | undefined {
  const parsed = parseNote(note, 10_000);
  if (parsed === undefined) return undefined;
  const verdict = checkSignatures(parsed, [key]);
  return verdict.kind === 'checked' ? verdict.keys.map(({ name }) => name) : undefined;
}

/** The example in the documentation of Go's golang.org/x/mod/sumdb/note, whose format C2SP signed-note describes. */
test('verifies a note that another implementation signed', () => {
  const vkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  const { name, keyId, bytes } = parseVerifierKey(vkey) ?? never();
  const peter = noteKey('ed25519', name, bytes.slice(1));
  expect(peter.keyId).toBe(keyId);
  const note = parseNote(
    'If you think cryptography is the answer to your problem,\n' +
      "then you don't know what your problem is.\n\n" +
      '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
    1_000,
  );
  if (note === undefined) throw new Error('the note is not read');
  expect(checkSignatures(note, [peter])).toEqual({ kind: 'checked', keys: [peter] });
  expect(formatVerifierKey(name, bytes)).toBe(vkey);
});

describe('a signed note', () => {
  test('gives its text, split at the last empty line', () => {
    expect(parseNote(signed, 10_000)?.text).toBe(text);
    expect(signers(signed)).toEqual(['a.test']);
  });

  test('changed in any character counts no signature', () => {
    for (let at = 0; at < signed.length; at++) {
      for (const other of ['A', 'b', '\n', ' ', '\u2014']) {
        if (signed[at] === other) continue;
        expect(signers(signed.slice(0, at) + other + signed.slice(at + 1)) ?? []).toEqual([]);
      }
    }
  });

  test('cut anywhere counts no signature', () => {
    for (let length = 0; length < signed.length; length++) {
      expect(signers(signed.slice(0, length)) ?? []).toEqual([]);
    }
  });

  test('with a signature by an unknown key counts the known one', () => {
    const other = noteSigner('ed25519', 'b.test', seed);
    const namesake = noteSigner('ed25519', 'a.test', new Uint8Array(32).fill(8));
    const signatures = [other, namesake, own].map((signer) => signText(text, signer));
    expect(signers(formatNote({ text, signatures }))).toEqual(['a.test']);
  });

  test('with a repeated signature counts its key once', () => {
    const once = signText(text, own);
    expect(signers(formatNote({ text, signatures: [once, once] }))).toEqual(['a.test']);
  });

  test('with a bad signature by a known key is spoiled, though a good one stands beside it', () => {
    const good = signText(text, own);
    const bad = { ...good, bytes: good.bytes.map((byte) => byte ^ 1) };
    const note = parseNote(formatNote({ text, signatures: [good, bad] }), 10_000);
    expect(note && checkSignatures(note, [key])).toEqual({ kind: 'bad-signature', name: 'a.test' });
  });

  const [, line = ''] = /(\u2014 .*\n)$/.exec(signed) ?? [];
  test.each([
    ['without a signature', `${text}\n`],
    ['without an empty line', `one\n${line}`],
    ['without text', `\n${line}`],
    ['with a control character', `on\te\n\n${line}`],
    ['with a carriage return', `one\r\n\n${line}`],
    ['with a lone surrogate', `on\ud800e\n\n${line}`],
    ['with a hyphen for the dash', signed.replace('\u2014', '-')],
    ['with two spaces', signed.replace('\u2014 ', '\u2014  ')],
    ['with a line after the signatures', `${signed}x\n`],
    ['with unpadded base64', signed.replace(/=+\n$/, '\n')],
    ['without the last newline', signed.slice(0, -1)],
    ['with a signature that is only a key id', `${text}\n\u2014 a.test AAAAAA==\n`],
    ['with 65 signatures', `${text}\n${line.repeat(65)}`],
  ])('%s is none', (_, note) => {
    expect(line).not.toBe('');
    expect(parseNote(note, 10_000)).toBeUndefined();
  });

  test('longer than the bound is none', () => {
    expect(parseNote(signed, signed.length)).toBeDefined();
    expect(parseNote(signed, signed.length - 1)).toBeUndefined();
  });

  const lines = fc.array(fc.stringMatching(/^[ -~\u2014é]{0,20}$/), { minLength: 1, maxLength: 5 });
  const signature = fc.record({
    name: fc.stringMatching(/^[!-*,-~é]{1,12}$/),
    keyId: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 80 }),
  });
  test('reads back what was written', () => {
    fc.assert(
      fc.property(lines, fc.array(signature, { minLength: 1, maxLength: 4 }), (rows, signatures) => {
        const note = { text: `${rows.join('\n')}\n`, signatures };
        fc.pre(note.text !== '\n');
        expect(parseNote(formatNote(note), 10_000)).toEqual(note);
      }),
    );
  });

  test('is written back as it was read', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (anything) => {
        const candidates = [anything, `${anything}\n\n${line}`];
        const read = candidates.filter((candidate) => parseNote(candidate, 10_000) !== undefined);
        const written = read
          .map((candidate) => parseNote(candidate, 10_000))
          .map((note) => note && formatNote(note));
        expect(written).toEqual(read);
      }),
    );
  });
});

describe('signatures of both algorithms', () => {
  const byComposite = noteSigner('composite', 'a.test', new Uint8Array(64).fill(7));

  test('stand under one note, each of its own length', () => {
    const signatures = [own, byComposite].map((signer) => signText(text, signer));
    const note = parseNote(formatNote({ text, signatures }), 10_000) ?? never();
    expect(note.signatures.map(({ bytes }) => bytes.length)).toEqual([64, 3_373]);
    expect(checkSignatures(note, [key, byComposite])).toEqual({ kind: 'checked', keys: [key, byComposite] });
  });

  test('have key ids by type and key', () => {
    const bytes = Uint8Array.of(0xff, ...Buffer.from('MLDSA65-Ed25519-SHA512'), ...byComposite.publicKey);
    expect(parseInt(formatVerifierKey('a.test', bytes).split('+')[1] ?? '', 16)).toBe(byComposite.keyId);
    expect(formatVerifierKey('a.test', Uint8Array.of(1, ...key.publicKey))).toContain(
      `+${key.keyId.toString(16).padStart(8, '0')}+`,
    );
  });

  test.each<[NoteAlgorithm, number]>([
    ['ed25519', 31],
    ['ed25519', 1_984],
    ['composite', 32],
  ])('a public key of %s has no %i bytes', (algorithm, length) => {
    expect(() => noteKey(algorithm, 'a.test', new Uint8Array(length))).toThrow(RangeError);
  });

  test('with the other algorithm’s length spoil the note', () => {
    const [short, long] = [own, byComposite].map((signer) => signText(text, signer));
    for (const [key, signature] of [
      [own, long],
      [byComposite, short],
    ] as const) {
      const { name, keyId } = key;
      const note = { text, signatures: [{ name, keyId, bytes: signature?.bytes ?? new Uint8Array() }] };
      expect(checkSignatures(note, [key])).toEqual({ kind: 'bad-signature', name: 'a.test' });
    }
  });

  test('by either of two keys that share a key id are good', () => {
    const [one, other] = [1, 2].map((at) => ({
      ...noteSigner('ed25519', 'a.test', new Uint8Array(32).fill(at)),
      keyId: 5,
    }));
    if (one === undefined || other === undefined) throw new Error();
    const note = { text, signatures: [signText(text, other)] };
    expect(checkSignatures(note, [one, other])).toEqual({ kind: 'checked', keys: [other] });
    expect(checkSignatures(note, [one])).toEqual({ kind: 'bad-signature', name: 'a.test' });
  });
});

describe('a verifier key', () => {
  const vkey = formatVerifierKey('a.test', Uint8Array.of(1, ...key.publicKey));
  const [name = '', id = '', encoded = ''] = vkey.split('+');

  test('is written back as read', () => {
    const parsed = parseVerifierKey(vkey) ?? never();
    expect(parsed).toMatchObject({ name: 'a.test', keyId: key.keyId });
    expect(formatVerifierKey(parsed.name, parsed.bytes)).toBe(vkey);
  });

  test.each([
    ['another name', `b.test+${id}+${encoded}`],
    ['another key id', `${name}+00000000+${encoded}`],
    ['upper-case hex', `${name}+${id.toUpperCase()}+${encoded}`],
    ['another type', `${name}+${id}+Ag${encoded.slice(2)}`],
    ['a short key', `${name}+${id}+${encoded.slice(0, -4)}`],
    ['a key of more than 96 bytes', formatVerifierKey('a.test', new Uint8Array(97))],
    ['no name', `+${id}+${encoded}`],
    ['a space in the name', `a test+${id}+${encoded}`],
    ['a space behind', `${vkey} `],
    ['nothing', ''],
  ])('with %s is none', (_, text) => {
    expect(parseVerifierKey(text)).toBeUndefined();
  });

  test.each([
    '',
    'a b',
    'a+b',
    'a\u00a0b',
    'a\u0085b',
    'a\u2003b',
    'a\nb',
    'a\u0001',
    '\ud800',
    'x'.repeat(256),
  ])('is not named %j', (wrong) => {
    expect(isKeyName(wrong)).toBe(false);
  });
});

function never(): never {
  throw new Error('it is not read');
}
