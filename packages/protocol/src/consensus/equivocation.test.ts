import { describe, expect, test } from 'vitest';
import { testAuthority } from '../testing/authority.ts';
import { agenda, authority1, authority2, authority3, before, epoch, now } from '../testing/network.ts';
import { consensusDigest, signConsensus } from './consensus.ts';
import { verifyEquivocation } from './equivocation.ts';
import { type Agenda, tabulate } from './tabulate.ts';

const all = [authority1, authority2, authority3];
const reader = { authorities: all.map(({ key }) => key), threshold: 2 };
const certificates = all.map(({ certificate }) => certificate);
const consensus = (change: Partial<Agenda> = {}) => tabulate([], { ...agenda, ...before, ...change });
const by = (change: Partial<Agenda>, ...signers: typeof all): string =>
  signConsensus(consensus(change), signers);
const one = by({}, authority1, authority2);
const twin = by({ meanDelayMs: 300 }, authority2, authority3);

describe('two signed documents', () => {
  test.each([
    ['for one epoch', 'epoch', twin, epoch, { meanDelayMs: 300 }],
    [
      'for one place in the log',
      'place',
      by({ epoch: epoch + 1 }, authority2, authority3),
      epoch + 1,
      { epoch: epoch + 1 },
    ],
  ])('%s prove it', (_, of, other, at, change) => {
    expect(verifyEquivocation({ documents: [one, other], certificates }, reader)).toEqual({
      kind: 'equivocation',
      of,
      epochs: [epoch, at],
      digests: [consensusDigest(consensus()), consensusDigest(consensus(change))],
      signedBy: ['authority2.test'],
    });
  });

  const stranger = testAuthority('authority1.test', { now, seed: 'stranger' });
  test.each<[string, string, string, readonly string[], RegExp]>([
    ['the same one', one, one, certificates, /same/],
    ['the same one, signed by others', one, by({}, authority1, authority3), certificates, /same/],
    [
      'for different epochs and places',
      one,
      by({ epoch: epoch + 1, log: { ...before.log, size: 2 } }, authority1, authority2),
      certificates,
      /different/,
    ],
    [
      'of which one has too few signatures',
      one,
      by({ meanDelayMs: 300 }, authority3),
      certificates,
      /second .*2 needed/,
    ],
    [
      'of which one was altered',
      one,
      twin.replace('"meanDelayMs":300', '"meanDelayMs":301'),
      certificates,
      /second/,
    ],
    ['without the certificates', one, twin, certificates.slice(0, 2), /second .*no certificate/],
    [
      'by somebody of that name',
      by({}, stranger, authority2),
      twin,
      [...certificates, stranger.certificate],
      /first/,
    ],
    ['of which one is none', 'x', twin, certificates, /first/],
  ])('%s prove nothing', (_, first, second, given, detail) => {
    expect(verifyEquivocation({ documents: [first, second], certificates: given }, reader)).toEqual({
      kind: 'refused',
      detail: expect.stringMatching(detail),
    });
  });
});
