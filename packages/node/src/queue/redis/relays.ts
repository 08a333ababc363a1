import {
  dueGridMs,
  onGrid,
  type Relay,
  type RelayShelf,
  relayExpiresGridMs,
  setExpiresGridMs,
  type Token,
  type Waiting,
} from '../../spool.ts';
import { formatNext, parseNext } from '../next.ts';
import type { Taken } from './desk.ts';
import type { Value } from './session.ts';
import { type ShelfContext, shelf } from './shelf.ts';

/** A relay as scripts take it, and when its job is to look at it. */
export function relayFields(
  { next, dueMs, expiresMs, bytes }: Relay,
  token?: Token,
): { readonly values: readonly Value[]; readonly dueMs: number; readonly expiresMs: number } {
  // An author's own gateway may know the hour in which they sent it, and whoever hears of a delay wants to hear of it in time.
  const expires = onGrid(expiresMs, token === undefined ? relayExpiresGridMs : setExpiresGridMs);
  const due = token === undefined ? onGrid(dueMs, dueGridMs) : 0;
  return { values: [formatNext(next), due, expires, token ?? '', bytes], dueMs: due, expiresMs: expires };
}

export function createRelayShelf(context: ShelfContext): RelayShelf {
  const { desk } = context;
  const { again, ...common } = shelf(context, 'relays', waitingFrom);
  return {
    ...common,
    postpone: (id, dueMs) => again(id, dueMs, 0),
    async read(id) {
      const bytes = (await desk.ask('readRelay', id)) as Buffer | null;
      return bytes === null ? undefined : new Uint8Array(bytes);
    },
    finish: async (id) =>
      void (await desk.act('finishRelay', [id], () => [{ kind: 'remove', queue: 'relays', id }])),
  };
}

function waitingFrom({ id, fields }: Taken): Waiting {
  const [due, expires, attempts, next, token = ''] = fields.map(String);
  return {
    id,
    next: parseNext(next ?? ''),
    dueMs: Number(due),
    expiresMs: Number(expires),
    attempts: Number(attempts),
    ...(token === '' ? {} : { token }),
  };
}
