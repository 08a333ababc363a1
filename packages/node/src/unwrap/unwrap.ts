import type { Fragment } from '@postern/protocol/envelope';
import type { Geometry } from '@postern/protocol/packet';
import { isComplaint } from '@postern/protocol/report';
import { maxSealedBytes } from '@postern/protocol/sealed';
import type { Clock, Log, Random } from '@postern/runtime';
import { createBell } from '../bell.ts';
import type { Counters, Outcome } from '../counters.ts';
import type { Lifetime } from '../lifetime.ts';
import { startLoop } from '../loop.ts';
import { createPool } from '../pool.ts';
import type { ComposeLetter } from '../report/letter.ts';
import type { Complete, Input, Settled, Spool, Token, Verdict } from '../spool.ts';
import type { Link } from '../stage.ts';
import type { Unwrapped, UnwrapSetup, UnwrapTask } from './worker.ts';

export interface UnwrapContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly spool: Spool;
  readonly counters: Counters;
  /** The domain whose gateway this is. */
  readonly domain: string;
  readonly lifetime: Lifetime;
  readonly unwrapWorkers: number;
  readonly geometry: Geometry;
  /** The domain's keys of now, whether one is missing, and whoever wants to hear that either is otherwise. */
  readonly keys: {
    current(): readonly Uint8Array[];
    isComplete(): boolean;
    onChange(listener: (keys: readonly Uint8Array[]) => void): void;
  };
  /** Whether the domain's newest key is among those of now, as far as any process of the gateway knows. Throws what the spool throws. */
  readonly hasNewestKey: () => Promise<boolean>;
  /** The local part of a mailbox that this gateway delivers to. */
  readonly findMailbox: (recipient: string) => string | undefined;
  readonly composeLetter: ComposeLetter;
  /** How long complaints of authors' messages are kept. */
  readonly complaintLifeMs: number;
}

/** A set is joined in memory: it must not be made of many more fragments than the largest message takes. */
const longestSet = 2 * maxSealedBytes;
/** An author may ask for no more: for so long the gateway remembers what it has delivered. */
const longestLifeMs = 32 * 86_400_000;

/**
 * Opens domain envelopes in worker threads and stores what is for somebody here: fragments of messages, and reports for authors. Stored
 * and input gone are one transaction. While a key of the domain is missing, or another process has a newer one, what none of the others opens is deferred, and tried again once the keys have changed. `take` resolves once all of them are settled; rejects when some are not, which can
 * then be taken again.
 */
export function unwrap(context: UnwrapContext): Link<readonly Input[], readonly Complete[]> {
  const { clock, random, log, spool, counters, lifetime, geometry, keys } = context;
  const { hasNewestKey, unwrapWorkers } = context;
  return (next) => {
    const pool = createPool<UnwrapSetup, UnwrapTask, Unwrapped[]>({
      module: new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
      size: unwrapWorkers,
      setup: { geometry, secretKeys: keys.current() },
      clock,
      random,
      log,
      onBroken: lifetime.breakDown,
    });
    let changes = 0;
    const changed = createBell();
    keys.onChange((secretKeys) => {
      pool.setUp({ geometry, secretKeys });
      changes += 1;
      changed.ring();
    });
    const trouble = 'deferred inputs could not be taken up again';
    const resuming = startLoop({ clock, log, trouble }, async (stop) => {
      await spool.resumeDeferred();
      await changed.wait(stop);
    });

    const settle = async (
      input: Input,
      unwrapped: Unwrapped | undefined,
      mayDefer: () => Promise<boolean>,
    ): Promise<Complete[]> => {
      if (unwrapped === undefined) return [];
      const { verdict, outcome } =
        unwrapped.kind === 'no-key' && (await mayDefer()) ? deferred : await judge(unwrapped, input, context);
      const settled = await spool.settle(input.id, verdict);
      count(counters, settled, outcome);
      return settled.kind === 'complete' ? [settled.complete] : [];
    };

    return {
      async take(inputs) {
        const asked = { isComplete: keys.isComplete(), changes };
        const mayDefer = async (): Promise<boolean> =>
          !asked.isComplete || !(await hasNewestKey()) || asked.changes !== changes;
        const unwrapped = await pool.run(inputs.map(({ bytes }) => bytes));
        const settled = await Promise.allSettled(
          inputs.map((input, at) => settle(input, unwrapped[at], mayDefer)),
        );
        // What was deferred just now was tried with keys of before.
        if (asked.changes !== changes) changed.ring();
        await next.take(settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])));
        const failed = settled.find((one) => one.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
      },
      async close() {
        await resuming.stop();
        await pool.close();
      },
    };
  };
}

interface Judged {
  readonly verdict: Verdict;
  /** What is counted, unless settling says more. */
  readonly outcome?: Outcome<'unwrapped'>;
}

const deferred: Judged = { verdict: { kind: 'deferred' } };

async function judge(unwrapped: Unwrapped, input: Input, context: UnwrapContext): Promise<Judged> {
  switch (unwrapped.kind) {
    case 'reply': {
      const token = Buffer.from(unwrapped.surbId).toString('hex');
      return returned(token, { kind: 'reply', data: unwrapped.body }, context);
    }
    case 'fragment': {
      // What the author wrote there is no attestation: only a signature on the carriage is.
      const fragment = { ...unwrapped.fragment, attestation: Buffer.from(input.attested ?? '', 'latin1') };
      return judgeFragment(fragment, context);
    }
    case 'no-key':
      return refused('refused');
    case 'refused':
    case 'fault':
      return refused(unwrapped.kind);
  }
}

async function judgeFragment(fragment: Fragment, context: UnwrapContext): Promise<Judged> {
  const { clock, domain, findMailbox, geometry } = context;
  if (fragment.totalBytes > maxSealedBytes || fragment.n * geometry.payloadBytes > longestSet)
    return refused('refused');
  const left = fragment.expires * 1_000 - clock.now();
  if (left <= 0) return refused('expired');
  if (left > longestLifeMs) return refused('refused');
  if (fragment.recipient === `secure@${domain}`) {
    const token = Buffer.from(fragment.setId).toString('hex');
    if (isComplaint(fragment.data)) {
      const forgetMs = clock.now() + context.complaintLifeMs;
      return { verdict: { kind: 'complaint', token, forgetMs } };
    }
    return returned(token, { kind: 'sealed', data: fragment.data }, context);
  }
  if (findMailbox(fragment.recipient) !== undefined) return { verdict: { kind: 'fragment', fragment } };
  return unknownMailbox(fragment);
}

/** Kept only when it says whom to tell, as a set of its own: the report is made when that is delivered to nobody. */
function unknownMailbox(fragment: Fragment): Judged {
  if (fragment.returnInfo.length === 0) return refused('unknown-mailbox');
  const alone = { ...fragment, index: 0, k: 1, n: 1, totalBytes: fragment.data.length };
  return { verdict: { kind: 'fragment', fragment: alone }, outcome: 'unknown-mailbox' };
}

// spec report 4
async function returned(
  token: Token,
  sealed: { readonly kind: 'sealed' | 'reply'; readonly data: Uint8Array },
  { spool, composeLetter }: UnwrapContext,
): Promise<Judged> {
  const found = await spool.returns.find({ token });
  if (found === undefined) return refused('unknown-token');
  return { verdict: { kind: 'returned', letter: composeLetter(found, { kind: 'sealed', sealed }) } };
}

function refused(outcome: Outcome<'unwrapped'>): Judged {
  return { verdict: { kind: 'refused' }, outcome };
}

function count(counters: Counters, settled: Settled, outcome: Outcome<'unwrapped'> | undefined): void {
  const counted = countedAs(settled, outcome);
  if (counted !== undefined) counters.count('unwrapped', counted);
}

function countedAs(
  { kind }: Settled,
  outcome: Outcome<'unwrapped'> | undefined,
): Outcome<'unwrapped'> | undefined {
  switch (kind) {
    case 'stored':
    case 'complete':
    case 'refused':
      return outcome ?? kind;
    case 'duplicate':
    case 'deferred':
    case 'told':
    case 'complaint':
    case 'known-complaint':
    case 'unknown-token':
      return kind;
    case 'waiting':
    case 'shelved':
    case 'replayed':
    case 'gone':
      return undefined;
  }
}
