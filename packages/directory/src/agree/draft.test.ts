import { epochAt } from '@postern/protocol/consensus';
import { expect, test } from 'vitest';
import { explain, isAlarming } from '../due.ts';
import { configFor } from '../testing/authorities.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { openSeat, type Seat } from '../testing/seat.ts';
import { draftOf } from './draft.ts';
import type { Preparation } from './preparation.ts';

const epoch = epochAt(start / 1_000, epochSeconds);

/** Why an authority of three has no vote, in words, and whether somebody has to look. */
function heldUpIn(seat: Seat): { why: string; alarming: boolean } | undefined {
  const holdup = draftOf(
    {
      ...seat,
      config: configFor('/nowhere', { name: seat.members.name }),
      preparation: { maySign: () => true, othersHold: () => false } as unknown as Preparation,
    },
    { epoch, slot: 0 },
    0,
  );
  return 'kind' in holdup ? { why: explain(holdup), alarming: isAlarming(holdup) } : undefined;
}

test('an authority that has no node yet says how many there were when it was to vote', async () => {
  await using seat = await openSeat();
  const why =
    'waits for 3 nodes, 0 had registered when it was to vote last; with its next vote it looks again';
  expect(heldUpIn(seat)).toEqual({ why, alarming: false });
});

test('an authority whose store is new, and the network is not, waits for nodes and suspects no clock', async () => {
  await using seat = await openSeat();
  const signed = 'postern.consensus/v1\n{"nodes":[1,2,3,4],"rest":{"count":4}}\n';
  seat.store.issue({ epoch: epoch - 1, digest: 'ab', signed });
  expect(heldUpIn(seat)).toEqual({
    why: expect.stringMatching(/^waits for 6 nodes, 0 had/),
    alarming: false,
  });
});
