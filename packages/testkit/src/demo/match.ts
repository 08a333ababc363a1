import type { PathTaken } from '@postern/client';
import type { Transfer } from '../adversary/smtp-wire.ts';

/** One packet's way: over each wire when, and for how long at each hop. */
export interface Way {
  readonly path: PathTaken;
  /** The transfer to each hop, and the one to the gateway. */
  readonly transfers: readonly Transfer[];
  /** Milliseconds between its arrival at each hop and its departure. */
  readonly heldMs: readonly number[];
}

export interface Ends {
  /** What the author's program calls itself in EHLO. */
  readonly from: string;
  /** The gateway's name. */
  readonly to: string;
}

/**
 * Tells which transfer was which packet. Nobody but the author can: it takes the paths and the delays, which only the author
 * knows. Where packets share a wire, those transfers belong to them that fit their delays best. Empty when there are more or
 * fewer transfers than the paths ask for.
 */
export function matchTransfers(
  paths: readonly PathTaken[],
  transfers: readonly Transfer[],
  { from, to }: Ends,
): Way[] {
  let best: { cost: number; chosen: readonly Transfer[][] } = { cost: Number.POSITIVE_INFINITY, chosen: [] };
  const wires = paths.map(({ hops }) => {
    const stops = [from, ...hops, to];
    return stops.slice(1).map((stop, at) => ({ from: stops[at] ?? '', to: stop }));
  });

  const place = (
    packet: number,
    hop: number,
    used: ReadonlySet<Transfer>,
    chosen: Transfer[][],
    cost: number,
  ): void => {
    if (cost >= best.cost) return;
    const path = paths[packet];
    if (path === undefined) {
      best = { cost, chosen: chosen.map((ways) => [...ways]) };
      return;
    }
    const wire = wires[packet]?.[hop];
    if (wire === undefined) {
      place(packet + 1, 0, used, chosen, cost);
      return;
    }
    for (const transfer of transfers) {
      if (transfer.from !== wire.from || transfer.to !== wire.to || used.has(transfer)) continue;
      const before = chosen[packet]?.[hop - 1];
      const misfit =
        before === undefined
          ? 0
          : Math.abs(transfer.startedMs - before.endedMs - (path.delaysMs[hop - 1] ?? 0));
      const way = [...(chosen[packet] ?? []), transfer];
      place(packet, hop + 1, new Set([...used, transfer]), chosen.with(packet, way), cost + misfit);
    }
  };
  place(
    0,
    0,
    new Set(),
    paths.map(() => []),
    0,
  );

  return best.chosen.map((ways, packet) => ({
    path: paths[packet] ?? { hops: [], delaysMs: [] },
    transfers: ways,
    heldMs: ways.slice(1).map((next, at) => next.startedMs - (ways[at]?.endedMs ?? 0)),
  }));
}
