import {
  notesIn,
  readAuthorities,
  readNewest,
  readPassed,
  readRecord,
  readShown,
  tellAuthorities,
} from '@postern/directory/testing';
import {
  ballotDigest,
  type CertifiedSigner,
  claimsIn,
  formatCertified,
  joinNote,
  joinSignatures,
  listRest,
  maxConsensusLength,
  noteIn,
  noteOf,
  proveRegistered,
  readCertifiedConsensus,
  signCertifiedConsensus,
  signConsensus,
  tabulate,
} from '@postern/protocol/consensus';
import { agenda, authority1, authority2, mix, registered } from '@postern/protocol/testing';
import { hold, type Target, utf8 } from '../target.ts';

const authorities = [authority1, authority2];
const epoch = 1_000;
const digest = 'ab'.repeat(32);
const mostListed = 2;
const mostLength = 64;

const consensus = tabulate([], agenda);
const signedBy = (signer: CertifiedSigner): string => signCertifiedConsensus(consensus, signer);
const reader = { authorities: authorities.map(({ key }) => key) };
const keys = {
  signingKeys: authorities.map(({ signingKey }) => signingKey),
  at: consensus.validAfter,
  maxLength: maxConsensusLength,
};

const few = { ...agenda, width: { least: 1, most: 1, perMix: 1 } };
const nodes = registered(Array.from({ length: 8 }, (_, at) => mix(`mix${at}.test`)));
const drawn = tabulate(nodes, few);
const [counted = { id: '', digest: '' }] = listRest(nodes, few, drawn);
const { id } = counted;
const proof = JSON.stringify({
  ...proveRegistered(listRest(nodes, few, drawn))(id),
  epoch,
  consensus: digest,
  id,
  descriptor: counted.digest,
});

/** What authorities and mirrors answer beside documents. */
const answers: Target = {
  name: 'directory-answers',
  seeds: () =>
    [
      JSON.stringify({ epoch, votes: ['x'], reveals: [], documents: ['y', 'z'] }),
      JSON.stringify({ votes: [digest], reveals: [digest, digest] }),
      JSON.stringify({ first: 7, newest: epoch }),
      JSON.stringify(tellAuthorities({ ...reader, threshold: 2 })),
      JSON.stringify(['a note']),
      proof,
    ].map((text) => Buffer.from(text)),
  tokens: [
    '"votes":',
    '"reveals":',
    '"documents":',
    '"newest":',
    '"authorities":',
    '"threshold":',
    '"proof":',
    '"at":',
    'null',
    '1e999',
    digest,
    `,"${digest}"`,
  ],
  run(input) {
    const text = utf8(input);
    const record = readRecord(epoch, text);
    if (record !== undefined) {
      hold(record.epoch === epoch, 'a record: of the epoch that was asked for');
      const again = readRecord(epoch, JSON.stringify(record));
      hold(JSON.stringify(again) === JSON.stringify(record), 'a record: read again it is the same');
    }
    for (const list of Object.values(readPassed(text, mostListed) ?? {})) {
      hold(list.length <= mostListed, 'what is passed on: no more than there may be');
      hold(
        list.every((one) => /^[0-9a-f]{64}$/.test(one)),
        'what is passed on: digests',
      );
    }
    const newest = readNewest(text);
    hold(newest === undefined || (Number.isSafeInteger(newest) && newest >= 0), 'the newest: an epoch');
    const told = readAuthorities(text);
    if (told !== undefined) {
      const again = readAuthorities(JSON.stringify(tellAuthorities(told)));
      hold(
        JSON.stringify(again && tellAuthorities(again)) === JSON.stringify(tellAuthorities(told)),
        'authorities: read again they are the same',
      );
    }
    const notes = notesIn(text, mostLength) ?? [];
    hold(
      notes.every((note) => note.length <= mostLength),
      'a list of notes: none is too long',
    );
    if (readShown(text, id, digest, drawn.rest)) {
      hold(JSON.parse(text).descriptor === counted.digest, 'a proof: of the descriptor that was counted');
    }
  },
};

/** What one authority puts together of signatures that come from others. */
const joined: Target = {
  name: 'directory-joined',
  maxBytes: 65_536,
  bounded: 100,
  seeds: () =>
    [...authorities.map(signedBy), signConsensus(consensus, authorities)].map((text) => Buffer.from(text)),
  run(input) {
    const text = utf8(input);
    const claims = claimsIn(text, maxConsensusLength);
    hold((ballotDigest(text) === undefined) === (claims === undefined), 'a certified note: it has a digest');
    const read = readCertifiedConsensus(text, reader);
    if (read.kind === 'signed') {
      hold(formatCertified(read.note) === text, 'a certified note: one text for each');
      hold(noteIn(text) === noteOf(read.note), 'a certified note: it begins with what readers get');
      const own = joinNote(signConsensus(consensus, [authority1]), read.note);
      hold(own === undefined || noteIn(own) === own, 'a note of readers: no certificates');
    }
    const both = joinSignatures(signConsensus(consensus, [authority1]), text, keys);
    if (both !== undefined) {
      const names = both.split('\n').flatMap((line) => /^\u2014 (\S+) /.exec(line)?.[1] ?? []);
      hold(new Set(names).size === names.length && names.length <= authorities.length, 'one line of each');
    }
  },
};

export const directoryTargets: readonly Target[] = [answers, joined];
