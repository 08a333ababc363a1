import type { Fragment } from '@postern/protocol/envelope';
import {
  type Complete,
  type ExpiredSet,
  onGrid,
  type SetShelf,
  type SpoolId,
  setExpiresGridMs,
} from '../../spool.ts';
import { leaseGridMs, type Taken } from './desk.ts';
import { packFragment, unpackFragment } from './fragments.ts';
import { relayFields } from './relays.ts';
import type { Value } from './session.ts';
import { type ShelfContext, shelf } from './shelf.ts';

/** What sets that lack fragments may take of all that the spool may hold: anybody can begin one and never end it. */
const unfinishedShare = 0.25;

export function idOfSet({ setId }: Fragment): SpoolId {
  return Buffer.from(setId).toString('hex');
}

/** A fragment as scripts take it. */
export function fragmentFields(fragment: Fragment, maxBytes: number): Value[] {
  const expires = onGrid(fragment.expires * 1_000, setExpiresGridMs);
  const { index, k, data } = fragment;
  return [
    idOfSet(fragment),
    index,
    k,
    expires,
    data.length,
    maxBytes * unfinishedShare,
    packFragment(fragment),
  ];
}

export function createSetShelf(context: ShelfContext): SetShelf {
  const { desk, leaseMs } = context;
  const { again: _, ...common } = shelf(context, 'sets', completeFrom);
  const read: SetShelf['read'] = async (id) => {
    const pairs = (await desk.ask('readSet', id)) as Buffer[];
    const fragments = pairs.filter((_one, at) => at % 2 === 1).map((bytes) => unpackFragment(id, bytes));
    return fragments.length === 0 ? undefined : fragments.sort((a, b) => a.index - b.index);
  };
  return {
    ...common,
    read,
    returnInfo: async (id) => (await read(id))?.find(({ returnInfo }) => returnInfo.length > 0),
    async finish(id, report) {
      const relayId = desk.newId();
      const relay = report && relayFields(report);
      await desk.act('finishSet', [id, relay ? 1 : 0, relayId, ...(relay?.values ?? [])], (ended: number) => [
        { kind: 'remove', queue: 'sets', id },
        ...(ended === 1 && relay
          ? [{ kind: 'add' as const, queue: 'relays' as const, id: relayId, atMs: relay.dueMs }]
          : []),
      ]);
    },
    async claimExpired(limit) {
      const found = ((await desk.ask('claimExpired', limit, leaseMs, leaseGridMs)) as Buffer[]).map(String);
      return found.flatMap((id, at): ExpiredSet[] =>
        at % 3 === 0 ? [{ id, complete: found[at + 1] === '1', expiresMs: Number(found[at + 2]) }] : [],
      );
    },
  };
}

function completeFrom({ id, fields }: Taken): Complete {
  const [due, expires, attempts] = fields.map(Number);
  return { id, dueMs: due ?? 0, expiresMs: expires ?? 0, attempts: attempts ?? 0 };
}
