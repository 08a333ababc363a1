import { expect, test } from 'vitest';
import { createEvidence } from '../knowledge/evidence.ts';
import { judge } from '../knowledge/judge.ts';
import { paintFor, report } from './show.ts';

test('the way of a packet begins at the author’s own domain', () => {
  const hops = ['mix1.test', 'mix3.test', 'mix5.test'];
  const shown = report(
    {
      author: 'carol@c.test',
      recipient: 'bob@b.test',
      delivered: true,
      intact: true,
      ways: [{ path: { hops, delaysMs: [1, 2, 3] }, transfers: [], heldMs: [10, 20, 30] }],
      layers: [['mix1.test'], ['mix3.test'], ['mix5.test']],
      gateway: 'gate.b.test',
      packetBytes: 32_768,
      wireSizes: [45_832],
      elapsedMs: 1_234,
      knowledge: judge(createEvidence(), [], []),
      deliveredPath: '',
      openedPath: '',
    },
    paintFor(false),
  );
  expect(shown).toContain(
    'packet 1: c.test → mix1.test (0.01 s) → mix3.test (0.02 s) → mix5.test (0.03 s) → gate.b.test',
  );
});
