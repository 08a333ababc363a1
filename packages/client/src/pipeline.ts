import type { RoutePlan } from '@postern/protocol/route';
import { exponential, none } from '@postern/protocol/strategy';
import type { Clock, Random } from '@postern/runtime';
import type { PrivateKey } from 'openpgp';
import type { Addressee, Draft, Era, PathTaken, Reader } from './message.ts';
import type { Outbox } from './outbox/index.ts';
import { seal } from './seal/seal.ts';
import { wrap } from './wrap/wrap.ts';

/** Everything that a message needs to become packets; nothing in it can be refused any more. */
export interface Work {
  readonly draft: Draft;
  readonly addressees: readonly Addressee[];
  readonly signingKey: PrivateKey;
  /** The author's own, for the copy that is kept; none is kept without it. */
  readonly copyFor: Reader | undefined;
  readonly era: Era;
  readonly routes: RoutePlan;
  /** Mean delay at each hop; 0 asks for none. */
  readonly meanDelayMs: number;
  readonly expiryMs: number;
}

export interface PipelineOptions {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly random: Random;
  /** Ends the building; nothing of the message stays. */
  readonly signal?: AbortSignal | undefined;
  onBuilt?(packets: number, of: number): void;
}

/** A message in the outbox. */
export interface Queued {
  readonly kind: 'queued';
  /** The set in the outbox, and the name of the author's copy. */
  readonly set: string;
  readonly recipients: readonly RecipientResult[];
  /** What went wrong although the message is in the outbox, in sentences. */
  readonly warnings: readonly string[];
}

export interface RecipientResult {
  readonly mailbox: string;
  readonly packets: number;
  /** One for each packet. Shown to the author and kept nowhere. */
  readonly paths: readonly PathTaken[];
}

/**
 * seal → wrap → outbox, for every recipient. Durable as a whole when it returns; whatever stops it before leaves nothing of the
 * message behind.
 */
export async function queue(work: Work, options: PipelineOptions): Promise<Queued> {
  const { outbox, clock, random, signal } = options;
  const signing = { signingKey: work.signingKey, now: new Date(clock.now()), random };
  const strategy = work.meanDelayMs === 0 ? none() : exponential(work.meanDelayMs);
  await using staged = await outbox.stage();
  if (work.copyFor !== undefined) await staged.keep(await seal(work.draft, work.copyFor, signing));
  const recipients: RecipientResult[] = [];
  for (const addressee of work.addressees) {
    signal?.throwIfAborted();
    const sealed = await seal(work.draft, addressee, signing);
    const wrapping = await wrap(sealed, addressee, { ...work, strategy, clock, random });
    const paths: PathTaken[] = [];
    for await (const { packet, path } of wrapping.make()) {
      signal?.throwIfAborted();
      await staged.add(packet);
      paths.push(path);
      options.onBuilt?.(paths.length, wrapping.packets);
    }
    recipients.push({ mailbox: addressee.mailbox, packets: paths.length, paths });
  }
  const warnings = await staged.commit();
  return { kind: 'queued', set: staged.id, recipients, warnings };
}
