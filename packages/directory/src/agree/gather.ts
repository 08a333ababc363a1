import {
  descriptorDigest,
  type Listed,
  maxDescriptorLength,
  verifyDescriptor,
} from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import { mostBodies } from '../ballots.ts';
import type { Body, BodyStore } from '../store/bodies.ts';
import type { Peers } from './peers.ts';

/** A descriptor that votes name, and whose votes these are. */
export interface Wanted extends Listed {
  readonly from: readonly string[];
}

export interface GatherOptions {
  readonly epoch: number;
  readonly store: Pick<BodyStore, 'body' | 'keepBodies'>;
  readonly peers: Pick<Peers, 'names' | 'ask'>;
  readonly clock: Clock;
  /** How soon somebody is asked again who has not answered, milliseconds. */
  readonly retryMs: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Called once all are here. */
  complete(): void;
  failed(error: unknown): void;
}

/**
 * Keeps the descriptors that a consensus is counted from, and fetches those that are not here from all who have named them, side by side:
 * whoever does not answer keeps nobody waiting (spec agreement 5.2).
 */
export function gather(wanted: readonly Wanted[], options: GatherOptions): void {
  const { epoch, store, peers, signal } = options;
  const missing = new Map(wanted.map((one) => [one.digest, one]));
  /** How many are being asked for each. */
  const asking = new Map<string, number>();

  const put = (bodies: readonly Body[]): void => {
    if (bodies.length > 0) store.keepBodies(epoch, bodies);
    for (const { digest } of bodies) missing.delete(digest);
  };
  const count = (batch: readonly Wanted[], by: number): void => {
    for (const { digest } of batch) asking.set(digest, (asking.get(digest) ?? 0) + by);
  };
  const ask = async (authority: string, batch: readonly Wanted[]): Promise<boolean> => {
    const body = batch.map(({ digest }) => `${digest}\n`).join('');
    const maxBytes = batch.length * 4 * maxDescriptorLength;
    count(batch, 1);
    const answer = await peers.ask(authority, '/v1/agreement/descriptors', { maxBytes, body });
    count(batch, -1);
    if (signal.aborted || answer.kind !== 'answer' || answer.status !== 200) return false;
    const before = missing.size;
    put(bodiesIn(answer.text, batch));
    if (before > 0 && missing.size === 0) options.complete();
    return true;
  };
  const failed = (error: unknown): void => {
    if (!signal.aborted) options.failed(error);
  };
  /** What nobody else is asked for comes first. */
  const line = async (authority: string): Promise<void> => {
    const given = new Set<string>();
    for (;;) {
      const left = [...missing.values()].filter(
        ({ digest, from }) => from.includes(authority) && !given.has(digest),
      );
      const batch = left
        .sort((a, b) => (asking.get(a.digest) ?? 0) - (asking.get(b.digest) ?? 0))
        .slice(0, mostBodies);
      if (batch.length === 0 || signal.aborted) return;
      const answered = await ask(authority, batch).catch(failed);
      if (answered) for (const { digest } of batch) given.add(digest);
      else await options.clock.wait(options.clock.now() + options.retryMs, signal);
    }
  };

  // what is registered here may be registered anew before it is counted
  put(
    wanted.flatMap(({ digest }) => {
      const signed = store.body(digest);
      return signed === undefined ? [] : [{ digest, signed }];
    }),
  );
  if (missing.size === 0) {
    options.complete();
    return;
  }
  for (const name of peers.names) void line(name).catch(failed);
}

/** Those of an answer that were asked for and hold. */
function bodiesIn(text: string, batch: readonly Wanted[]): Body[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(list)) return [];
  const ids = new Map(batch.map(({ id, digest }) => [digest, id]));
  return list.slice(0, mostBodies).flatMap((signed: unknown) => {
    if (typeof signed !== 'string' || signed.length > maxDescriptorLength) return [];
    const digest = descriptorDigest(signed);
    const verified = ids.has(digest) ? verifyDescriptor(signed) : undefined;
    return verified?.kind === 'descriptor' && verified.id === ids.get(digest) ? [{ digest, signed }] : [];
  });
}
