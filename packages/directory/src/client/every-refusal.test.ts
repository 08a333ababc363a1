import { formatNote, type NoteSigner, noteSigner, parseNote, signText } from '@postern/protocol/codec';
import { maxConsensusLength, maxDescriptorLength } from '@postern/protocol/consensus';
import { seeded, testAuthority } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openBench } from '../testing/authorities.ts';
import { signedNode } from '../testing/nodes.ts';
import { documentOf, type Library, mirror, openLibrary, others, ours } from '../testing/readers.ts';
import { DirectoryError } from './errors.ts';

const epoch = 1_000;
const both = [ours, others];
/** A second signing key of our authority, certified as the first is. */
const oursToo = testAuthority(ours.name, { now: ours.signingKey.validAfter, generation: 2 });

function textOf(signed: string): string {
  const note = parseNote(signed, maxConsensusLength);
  if (note === undefined) throw new Error('no note');
  return note.text;
}

function signedBy(text: string, ...signers: readonly NoteSigner[]): string {
  return formatNote({ text, signatures: signers.map((signer) => signText(text, signer)) });
}

const good = documentOf(epoch, {}, both);
const strange = textOf(good).replace('"suite":1', '"suite":99');
const descriptor = (): string => signedNode('mix1.test', epoch * 3_600_000 + 60_000);
const foreign = noteSigner('ed25519', 'mix1.test', seeded('somebody else').bytes(32));
const newer = noteSigner('ed25519', others.name, seeded('an algorithm of the future').bytes(32));

interface Row {
  readonly what: string;
  readonly code: string;
  readonly says: RegExp;
  readonly served: string;
  /** What the reader has seen before; nothing unless given. */
  readonly before?: string;
}

/** Two authorities are known and both have to sign; a minute of epoch 1000 is over. */
const consensuses: readonly Row[] = [
  {
    what: 'one older than what was seen',
    code: 'rollback',
    says: /it is for epoch 999, and epoch 1000 was seen before/,
    served: documentOf(epoch - 1, {}, both),
    before: good,
  },
  {
    what: 'a stale one',
    code: 'stale',
    says: /it was valid until \S+Z, 60 s before the time here/,
    served: documentOf(epoch - 3, {}, both),
  },
  {
    what: 'one from the future',
    code: 'not-yet-valid',
    says: /it is valid from \S+Z, 3540 s after the time here/,
    served: documentOf(epoch + 1, {}, both),
  },
  {
    what: 'one of a geometry that is not known',
    code: 'wrong-geometry',
    says: /its packet geometry is not one that this version knows/,
    served: signedBy(strange, ...both),
  },
  {
    what: 'one that too few have signed',
    code: 'too-few-signatures',
    says: /signed by 1 of the authorities known here, 2 needed$/,
    served: documentOf(epoch, {}, [ours]),
  },
  {
    what: 'one that the same authority has signed twice',
    code: 'repeated-signatures',
    says: /signed by 1 .*; authority1\.test has signed more than once, which counts once$/,
    served: documentOf(epoch, {}, [ours, ours]),
  },
  {
    what: 'one that the same authority has signed with two keys',
    code: 'repeated-signatures',
    says: /signed by 1 .*; authority1\.test has signed more than once, which counts once$/,
    served: documentOf(epoch, {}, [ours, oursToo]),
  },
  {
    what: 'one signed by an unknown algorithm',
    code: 'unknown-algorithm',
    says: /authority2\.test has signed by an algorithm that this version does not know$/,
    served: signedBy(textOf(good), ours, newer),
  },
  {
    what: 'one that was altered after it was signed',
    code: 'bad-signature',
    says: /the signature of authority1\.test does not hold/,
    served: good.replace('"meanDelayMs":200', '"meanDelayMs":201'),
  },
  {
    what: 'one that is longer than any',
    code: 'oversized',
    says: /its answer is too long/,
    served: good.padStart(maxConsensusLength + 1, 'x'),
  },
];

const descriptors: readonly Pick<Row, 'what' | 'code' | 'says' | 'served'>[] = [
  {
    what: 'one with a foreign signature in the place of its own',
    code: 'bad-signature',
    says: /answered 400 \(it is not signed by its own .*key\)/,
    served: signedBy(textOf(descriptor()), foreign),
  },
  {
    what: 'one with a foreign signature beside its own',
    code: 'malformed',
    says: /answered 400 \(it has more than one signature\)/,
    served: descriptor() + signedBy('x\n', foreign).slice('x\n\n'.length),
  },
  {
    what: 'one that is longer than any',
    code: 'oversized',
    says: /answered 413 \(it is longer than 32768 characters\)/,
    served: descriptor().padStart(maxDescriptorLength + 1, 'x'),
  },
];

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

async function errorOf(asked: Promise<unknown>): Promise<DirectoryError> {
  const error = await asked.catch((thrown: unknown) => thrown);
  if (!(error instanceof DirectoryError)) throw new Error('it was taken', { cause: error });
  return error;
}

describe('a reader refuses with an error of its own a consensus:', () => {
  test.each(consensuses)('$what ($code)', async ({ code, says, served, before }) => {
    const server = await library.serving(mirror(before ?? served));
    server.certificates = [...both, oursToo].map(({ certificate }) => certificate);
    const client = library.client([server.url], { authorities: both.map(({ vkey }) => vkey), threshold: 2 });
    if (before !== undefined) await client.current();
    server.answer = mirror(served);
    const error = await errorOf(client.refresh());
    expect(error.code).toBe(code);
    expect(error.message).toMatch(says);
    expect(error.hint).toMatch(/\.$/);
  });

  test('and takes one with which nothing is wrong', async () => {
    const server = await library.serving(mirror(good));
    const client = library.client([server.url], { authorities: both.map(({ vkey }) => vkey), threshold: 2 });
    expect((await client.refresh()).consensus.epoch).toBe(epoch);
  });
});

describe('an authority refuses with an error of its own a descriptor:', () => {
  test.each(descriptors)('$what ($code)', async ({ code, says, served }) => {
    await using bench = await openBench();
    const authority = await bench.run();
    const client = library.client([authority.url], { authorities: [authority.vkey] });
    const error = await errorOf(client.publish(served));
    expect(error).toMatchObject({ code: 'not-published', untaken: [{ refusal: code }] });
    expect(error.message).toMatch(says);
    expect(await client.publish(descriptor())).toMatchObject({ accepted: [authority.url] });
  });
});
