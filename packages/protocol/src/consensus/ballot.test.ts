import { expect, test } from 'vitest';
import { testAuthority } from '../testing/authority.ts';
import { authority1, authority2, epoch, now } from '../testing/network.ts';
import { type BallotReader, countersign, readReveal, readVote, signReveal } from './ballot.ts';
import type { Reveal } from './documents.ts';

const reveal: Reveal = { version: 1, epoch, authority: authority1.name, value: 'ab'.repeat(32) };
const signed = signReveal(reveal, authority1);
const both = countersign(signed, authority2);
const reader: BallotReader = {
  signingKeys: [authority1.signingKey, authority2.signingKey],
  at: now,
};

test('a ballot gives what was signed, and who has signed it', () => {
  expect(readReveal(both, reader)).toMatchObject({
    kind: 'ballot',
    value: reveal,
    signedBy: ['authority1.test', 'authority2.test'],
  });
});

test('an authority counts once, with however many keys it signs', () => {
  const second = testAuthority(authority1.name, { now, generation: 2 });
  const twice = countersign(countersign(signed, second), second);
  expect(
    readReveal(twice, { ...reader, signingKeys: [...reader.signingKeys, second.signingKey] }),
  ).toMatchObject({
    signedBy: ['authority1.test'],
  });
});

const { validAfter, validUntil } = authority1.signingKey;
test.each<[string, string, string, Partial<BallotReader>]>([
  ['unsigned', 'by a key that no certificate is for', signed, { signingKeys: [authority2.signingKey] }],
  ['unsigned', 'that others alone have signed', both, { signingKeys: [authority2.signingKey] }],
  ['unsigned', 'before the certificate begins', both, { at: validAfter - 1 }],
  ['unsigned', 'once the certificate has ended', both, { at: validUntil }],
  ['bad-signature', 'with another value', both.replace('abab', 'acab'), {}],
  ['oversized', 'of too many characters', 'x'.repeat(400_000), {}],
  ['malformed', 'that is no note', 'x', {}],
])('%s: one %s', (reason, _, text, change) => {
  expect(readReveal(text, { ...reader, ...change })).toMatchObject({ kind: 'refused', reason });
});

test('a reveal is no vote', () => {
  expect(readVote(signed, reader)).toMatchObject({ kind: 'refused', reason: 'malformed' });
});
