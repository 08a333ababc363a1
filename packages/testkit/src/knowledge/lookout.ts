import { watchTransfers } from '../adversary/smtp-wire.ts';
import type { Chunk, TapOptions, TappedConnection } from '../adversary/tap.ts';
import { until } from '../until.ts';
import type { Snapshots } from './snapshots.ts';
import type { Shelf } from './waiting.ts';

/** A node that may be looked at. */
export interface Watched {
  /** `submission`: a gateway that hands its authors' mail on. */
  readonly role: 'mix' | 'delivery' | 'submission' | 'authority';
  readonly folder: string;
}

/** Longer than a look takes on a slow machine that others use; shorter than any party's patience with a wire. */
const patienceMs = 15_000;

/**
 * For the taps of a network: sees to it that what waits is seen while it waits, however short a delay its author has drawn. Until a mix has handed
 * a packet over, the packet lies in its spool: the first message that leaves a mix, or an author's gateway, is held on the wire until a snapshot of
 * it shows a relay. The second message to a gateway is held until a snapshot shows a fragment of the first. A snapshot that does not come
 * holds nothing for longer than `patienceMs`; then the judge misses it.
 */
export function createLookout(
  snapshots: Snapshots,
  find: (name: string) => Watched | undefined,
): NonNullable<TapOptions['hold']> {
  const looks = new Map<string, Promise<void>>();
  const watchers = new Map<TappedConnection, (chunk: Chunk) => void>();
  let begun: { readonly from: string; readonly to: string }[] = [];

  const seen = (name: string, { folder }: Watched, shelf: Shelf): Promise<void> => {
    const look =
      looks.get(name) ??
      until(async () => (await snapshots.take(name, folder)).has(shelf), {
        what: `a snapshot of ${name} with ${shelf}`,
        deadlineMs: patienceMs,
      }).then(
        () => undefined,
        () => undefined,
      );
    looks.set(name, look);
    return look;
  };

  const reasonsToHold = ({ from, to }: { from: string; to: string }): Promise<void>[] => {
    const [sender, taker] = [find(from), find(to)];
    const reasons =
      sender?.role === 'mix' || sender?.role === 'submission' ? [seen(from, sender, 'relays')] : [];
    if (taker?.role !== 'delivery') return reasons;
    const isFirst = !looks.has(to);
    const look = seen(to, taker, 'fragments');
    return isFirst ? reasons : [...reasons, look];
  };

  return (connection, chunk) => {
    const watcher =
      watchers.get(connection) ??
      watchTransfers(
        connection.name,
        () => undefined,
        (from) => begun.push({ from, to: connection.name }),
      );
    watchers.set(connection, watcher);
    watcher(chunk);
    const reasons = begun.flatMap(reasonsToHold);
    begun = [];
    return reasons.length === 0 ? undefined : Promise.all(reasons).then(() => undefined);
  };
}
