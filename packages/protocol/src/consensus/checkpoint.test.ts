import { describe, expect, test } from 'vitest';
import { formatNote, signText } from '../codec/note.ts';
import { appendLeaf, emptyRange, encodeCheckpoint, hashOfLeaf, headOf } from '../log/index.ts';
import { authority1, authority2, authority3, now } from '../testing/network.ts';
import { signCheckpoint, verifyCheckpoint } from './checkpoint.ts';

const all = [authority1, authority2];
const reader = {
  authorities: all.map(({ key }) => key),
  signingKeys: all.map(({ signingKey }) => signingKey),
  now,
};
const head = headOf(appendLeaf(emptyRange, hashOfLeaf({ epoch: 7, digest: 'ab'.repeat(32) })));
const signed = signCheckpoint(head, authority1);
const text = encodeCheckpoint('authority1.test/v1/log', head);

test('a checkpoint says whose log it is of', () => {
  expect(verifyCheckpoint(signed, reader)).toEqual({
    kind: 'checkpoint',
    head,
    authority: 'authority1.test',
  });
});

describe('is refused', () => {
  const by = (signer: typeof authority1, of = text): string =>
    formatNote({ text: of, signatures: [signText(of, signer)] });
  test.each([
    ['malformed', 'nothing', ''],
    ['malformed', 'an unsigned one', text],
    ['bad-signature', 'one that was altered', signed.replace('\n1\n', '\n2\n')],
    ['too-few-signatures', 'one of an authority that is not known', signCheckpoint(head, authority3)],
    ['too-few-signatures', 'one of a log that is another authority’s', by(authority2)],
    ['malformed', 'another text', by(authority1, 'postern.parameters/v1\n{}\n')],
    ['malformed', 'one with more lines', by(authority1, `${text}more\n`)],
    ['malformed', 'one longer than any', signed.repeat(300)],
  ])('as %s %s', (reason, _, note) => {
    expect(verifyCheckpoint(note, reader)).toMatchObject({ kind: 'refused', reason });
  });

  test('as too-few-signatures one by a key whose time is over', () => {
    const after = now + 366 * 86_400;
    expect(verifyCheckpoint(signed, { ...reader, now: after })).toMatchObject({
      reason: 'too-few-signatures',
    });
  });
});
