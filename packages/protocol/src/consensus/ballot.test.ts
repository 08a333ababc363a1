import { expect, test } from 'vitest';
import { formatNote, parseNote } from '../codec/note.ts';
import { testAuthority } from '../testing/authority.ts';
import { authority1, authority2, authority3, epoch, now } from '../testing/network.ts';
import { type BallotReader, readReveal, readVote, signReveal } from './ballot.ts';
import { certifiedLength, countersign } from './certified.ts';
import type { Reveal } from './documents.ts';

const reveal: Reveal = { version: 1, epoch, slot: 0, authority: authority1.name, value: 'ab'.repeat(32) };
const signed = signReveal(reveal, authority1);
const both = countersign(signed, authority2);
const reader: BallotReader = { authorities: [authority1.key, authority2.key], at: now };
const second = testAuthority(authority1.name, { now, generation: 2 });
const begin = signed.indexOf('\npostern.certificate/v1\n');
const [note, certificate] = [signed.slice(0, begin), signed.slice(begin)];

test('a ballot gives what was signed, and who has signed it', () => {
  const expected = { kind: 'ballot', value: reveal, signedBy: ['authority1.test', 'authority2.test'] };
  expect(readReveal(both, reader)).toMatchObject(expected);
  expect(countersign(both, authority1)).toBe(both);
});

test('whoever has signed, the certificates that come with a ballot are all that is asked for', () => {
  const twice = countersign(signReveal(reveal, second), authority2);
  expect(readReveal(twice, reader)).toMatchObject({ signedBy: ['authority1.test', 'authority2.test'] });
});

/** The lines of 63 others under a note. */
function padded(): string {
  const { text = '', signatures = [] } = parseNote(note, 10_000) ?? {};
  const line = { keyId: 1, bytes: new Uint8Array(1) };
  const others = Array.from({ length: 63 }, (_, at) => ({ ...line, name: `authority${at + 4}.test` }));
  return formatNote({ text, signatures: [...signatures, ...others] });
}

const { validAfter, validUntil } = authority1.signingKey;
test.each<[string, string, string, Partial<BallotReader>]>([
  ['uncertified', 'by one that is no authority', countersign(signed, authority3), {}],
  ['unsigned', 'that others alone have signed', signReveal(reveal, authority2), {}],
  ['uncertified', 'before the certificate begins', both, { at: validAfter - 1 }],
  ['uncertified', 'once the certificate has ended', both, { at: validUntil }],
  ['uncertified', 'with the certificate of another key', note + second.certificate.replace(/^/, '\n'), {}],
  ['uncertified', 'with a certificate that is none', `${signed.slice(0, -80)}${'A'.repeat(79)}\n`, {}],
  ['bad-signature', 'with another value', both.replace('abab', 'acab'), {}],
  ['malformed', 'without a certificate', note, {}],
  ['malformed', 'with a certificate too many', signed + certificate, {}],
  ['malformed', 'under two signatures of one', both.replaceAll('authority2.test', 'authority1.test'), {}],
  ['malformed', 'that is padded with signatures of which nobody knows', padded() + certificate, {}],
  ['oversized', 'of too many characters', 'x'.repeat(certifiedLength(4_096) + 1), {}],
  ['malformed', 'whose text leaves no room', signed.replace('"slot":0', `"slot":${'0'.repeat(4_096)}`), {}],
  ['malformed', 'that is no note', 'x', {}],
])('%s: one %s', (reason, _, text, change) => {
  expect(readReveal(text, { ...reader, ...change })).toMatchObject({ kind: 'refused', reason });
});

test('a reveal is no vote', () => {
  expect(readVote(signed, reader)).toMatchObject({ kind: 'refused', reason: 'malformed' });
});
