import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ed25519 } from '../primitives/index.ts';
import {
  checkSignatures,
  formatNote,
  formatNoteKey,
  isKeyName,
  noteKey,
  parseNote,
  parseNoteKey,
  signText,
} from './note.ts';

const seed = new Uint8Array(32).fill(7);
const key = noteKey('a.test', ed25519.publicKey(seed));
const text = 'one\n\ntwo\n';
const signed = formatNote({ text, signatures: [signText(text, { name: 'a.test', seed })] });

function signers(note: string): string[] | undefined {
  const parsed = parseNote(note, 10_000);
  if (parsed === undefined) return undefined;
  const verdict = checkSignatures(parsed, [key]);
  return verdict.kind === 'checked' ? verdict.keys.map(({ name }) => name) : undefined;
}

/** The example in the documentation of Go's golang.org/x/mod/sumdb/note, whose format C2SP signed-note describes. */
test('verifies a note that another implementation signed', () => {
  const vkey = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  const peter = parseNoteKey(vkey);
  if (peter === undefined) throw new Error('the key is not read');
  const note = parseNote(
    'If you think cryptography is the answer to your problem,\n' +
      "then you don't know what your problem is.\n\n" +
      '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n',
    1_000,
  );
  if (note === undefined) throw new Error('the note is not read');
  expect(checkSignatures(note, [peter])).toEqual({ kind: 'checked', keys: [peter] });
  expect(formatNoteKey(peter)).toBe(vkey);
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
    const other = signText(text, { name: 'b.test', seed });
    const namesake = signText(text, { name: 'a.test', seed: new Uint8Array(32).fill(8) });
    const own = signText(text, { name: 'a.test', seed });
    expect(signers(formatNote({ text, signatures: [other, namesake, own] }))).toEqual(['a.test']);
  });

  test('with a repeated signature counts its key once', () => {
    const own = signText(text, { name: 'a.test', seed });
    expect(signers(formatNote({ text, signatures: [own, own] }))).toEqual(['a.test']);
  });

  test('with a bad signature by a known key is spoiled, though a good one stands beside it', () => {
    const own = signText(text, { name: 'a.test', seed });
    const bad = { ...own, bytes: own.bytes.map((byte) => byte ^ 1) };
    const note = parseNote(formatNote({ text, signatures: [own, bad] }), 10_000);
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

describe('a verifier key', () => {
  const vkey = formatNoteKey(key);
  const [name = '', id = '', encoded = ''] = vkey.split('+');

  test('is written back as read', () => {
    expect(parseNoteKey(vkey)).toEqual(key);
  });

  test.each([
    ['another name', `b.test+${id}+${encoded}`],
    ['another key id', `${name}+00000000+${encoded}`],
    ['upper-case hex', `${name}+${id.toUpperCase()}+${encoded}`],
    ['an unknown algorithm', `${name}+${id}+Ag${encoded.slice(2)}`],
    ['a short key', `${name}+${id}+${encoded.slice(0, -4)}`],
    ['no name', `+${id}+${encoded}`],
    ['a space in the name', `a test+${id}+${encoded}`],
    ['a space behind', `${vkey} `],
    ['nothing', ''],
  ])('with %s is none', (_, text) => {
    expect(parseNoteKey(text)).toBeUndefined();
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
