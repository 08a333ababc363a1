import {
  decodeConsensus,
  type Equivocation,
  readConsensus,
  readIssued,
  signCheckpoint,
  signConsensus,
  tabulate,
  verifyCheckpoint,
  verifyEquivocation,
} from '@postern/protocol/consensus';
import {
  appendLeaf,
  decodeBundle,
  decodeCheckpoint,
  decodeTile,
  emptyRange,
  encodeBundle,
  encodeCheckpoint,
  encodeTile,
  formatRange,
  formatTileName,
  hashOfLeaf,
  headOf,
  parseRange,
  parseTileName,
  rootOfRange,
} from '@postern/protocol/log';
import { agenda, authority1, decodeLeaf, encodeLeaf, networkNow } from '@postern/protocol/testing';
import { bytes, hold, latin1, sameBytes, type Target, utf8 } from '../target.ts';

const leaves = [0, 7, 4_294_967_295].map((epoch) => ({ epoch, digest: 'ab'.repeat(32) }));
const range = leaves.map(hashOfLeaf).reduce(appendLeaf, emptyRange);
const reader = {
  authorities: [authority1.key],
  signingKeys: [authority1.signingKey],
  threshold: 1,
  now: networkNow,
};

const signedWith = (meanDelayMs: number): string =>
  signConsensus(tabulate([], { ...agenda, meanDelayMs }), [authority1]);
const twice: Equivocation = {
  documents: [signedWith(0), signedWith(1)],
  certificates: [authority1.certificate],
};

/** What stands in a request, in a reader's memory and in a checkpoint. */
const texts: Target = {
  name: 'log-text',
  seeds: () => [
    bytes(formatTileName({ level: 0, index: 1_234_067, width: 8 })),
    bytes(formatTileName({ level: 'entries', index: 7, width: 256 })),
    bytes(formatRange(range)),
    bytes(encodeCheckpoint('authority1.test/v1/log', headOf(range))),
  ],
  tokens: ['.p/', 'entries/', 'x001/', '/000', '\n'],
  run(input) {
    const text = latin1(input);
    const name = parseTileName(text);
    if (name !== undefined) hold(formatTileName(name) === text, 'a tile: one name for each');
    const parsed = parseRange(text);
    if (parsed !== undefined) {
      hold(formatRange(parsed) === text, 'a range: one line for each');
      hold(rootOfRange(parsed).length === 32, 'a range: it has a root');
    }
    const checkpoint = decodeCheckpoint(text);
    if (checkpoint !== undefined)
      hold(encodeCheckpoint(checkpoint.origin, checkpoint) === text, 'a checkpoint: one text for each');
  },
};

/** What a directory answers with: so many hashes, so many leaves. */
const tiles: Target = {
  name: 'log-tile',
  seeds: () => [encodeBundle(leaves), encodeTile(range.hashes), ...leaves.map(encodeLeaf)],
  run(input) {
    for (const width of [1, 2, 3]) {
      const bundle = decodeBundle({ width }, input);
      if (bundle !== undefined) sameBytes(encodeBundle(bundle), input, 'a bundle');
      const hashes = decodeTile({ width }, input);
      if (hashes !== undefined) sameBytes(encodeTile(hashes), input, 'a tile');
    }
    const leaf = decodeLeaf(input);
    if (leaf !== undefined) sameBytes(encodeLeaf(leaf), input, 'a leaf');
  },
};

/** Whole notes: checkpoints, and what is said to prove that authorities have signed two things. */
const notes: Target = {
  name: 'log-signed',
  maxBytes: 65_536,
  bounded: 100,
  seeds: () => [
    Buffer.from(signCheckpoint(headOf(range), authority1)),
    Buffer.from(twice.documents.join('\0')),
  ],
  run(input) {
    const text = utf8(input);
    verifyCheckpoint(text, reader);
    const issued = readIssued(text, reader);
    const read = readConsensus(text, reader);
    hold(
      (read.kind === 'signed') === (issued.kind === 'consensus'),
      'of one authority one signature is enough',
    );
    if (read.kind === 'signed')
      hold(decodeConsensus(text)?.digest === read.digest, 'a consensus: one digest');
    const [one = '', other = ''] = text.split('\0');
    const verified = verifyEquivocation({ ...twice, documents: [one, other] }, reader);
    if (verified.kind === 'equivocation') hold(one !== other, 'a proof: two documents');
  },
};

export const logTargets: readonly Target[] = [texts, tiles, notes];
