import type { Fragment } from '@postern/protocol/envelope';
import { maxSealedBytes } from '@postern/protocol/sealed';
import type { Clock, Log, Random } from '@postern/runtime';
import type { Counters, Outcome } from '../counters.ts';
import type { Lifetime } from '../lifetime.ts';
import { createPool } from '../pool.ts';
import type { Complete, Input, Settled, Spool } from '../spool.ts';
import type { Link } from '../stage.ts';
import type { Unwrapped, UnwrapSetup, UnwrapTask } from './worker.ts';

export interface UnwrapContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly spool: Spool;
  readonly counters: Counters;
  readonly lifetime: Lifetime;
  readonly unwrapWorkers: number;
  readonly setup: UnwrapSetup;
  /** The local part of a mailbox that this gateway delivers to. */
  readonly findMailbox: (recipient: string) => string | undefined;
}

/** A set is joined in memory: it must not be made of many more fragments than the largest message takes. */
const longestSet = 2 * maxSealedBytes;
/** An author may ask for no more: for so long the gateway remembers what it has delivered. */
const longestLifeMs = 32 * 86_400_000;

/**
 * Opens domain envelopes in worker threads and stores the fragments that are for somebody here; fragment stored and input gone are one
 * transaction. `take` resolves once all of them are settled; rejects when some are not, which can then be taken again.
 */
export function unwrap(context: UnwrapContext): Link<readonly Input[], readonly Complete[]> {
  const { clock, random, log, spool, counters, lifetime, setup, unwrapWorkers } = context;
  return (next) => {
    const pool = createPool<UnwrapSetup, UnwrapTask, Unwrapped[]>({
      module: new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
      size: unwrapWorkers,
      setup,
      clock,
      random,
      log,
      onBroken: lifetime.breakDown,
    });

    const settle = async (input: Input, unwrapped: Unwrapped | undefined): Promise<Complete[]> => {
      if (unwrapped === undefined) return [];
      const fault = faultOf(unwrapped, context);
      if (fault !== undefined || unwrapped.kind !== 'fragment') {
        await spool.settle(input.id, { kind: 'refused' });
        counters.count('unwrapped', fault ?? 'refused');
        return [];
      }
      const settled = await spool.settle(input.id, { kind: 'fragment', fragment: unwrapped.fragment });
      count(counters, settled);
      return settled.kind === 'complete' ? [settled.complete] : [];
    };

    return {
      async take(inputs) {
        const unwrapped = await pool.run(inputs.map(({ bytes }) => bytes));
        const settled = await Promise.allSettled(inputs.map((input, at) => settle(input, unwrapped[at])));
        await next.take(settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])));
        const failed = settled.find((one) => one.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
      },
      close: () => pool.close(),
    };
  };
}

function faultOf(unwrapped: Unwrapped, context: UnwrapContext): Outcome<'unwrapped'> | undefined {
  return unwrapped.kind === 'fragment' ? faultIn(unwrapped.fragment, context) : unwrapped.kind;
}

/** Why a fragment is not for this gateway, or not any more. */
function faultIn(
  fragment: Fragment,
  { clock, findMailbox, setup }: UnwrapContext,
): Outcome<'unwrapped'> | undefined {
  if (fragment.totalBytes > maxSealedBytes || fragment.n * setup.geometry.payloadBytes > longestSet)
    return 'refused';
  const left = fragment.expires * 1_000 - clock.now();
  if (left <= 0) return 'expired';
  if (left > longestLifeMs) return 'refused';
  return findMailbox(fragment.recipient) === undefined ? 'unknown-mailbox' : undefined;
}

function count(counters: Counters, settled: Settled): void {
  if (settled.kind === 'stored' || settled.kind === 'complete' || settled.kind === 'duplicate')
    counters.count('unwrapped', settled.kind);
}
