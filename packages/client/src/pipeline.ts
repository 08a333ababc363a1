import type { Geometry } from '@postern/protocol/packet';
import { exponential, none, type Strategy } from '@postern/protocol/strategy';
import type { Clock, Random } from '@postern/runtime';
import type { PrivateKey } from 'openpgp';
import type {
  Addressee,
  Draft,
  Mixing,
  PathTaken,
  Reader,
  RecipientDomain,
  RecipientKey,
  Returning,
  Travel,
} from './message.ts';
import type { Staged } from './outbox/index.ts';
import { seal } from './seal/seal.ts';
import { wrap } from './wrap/wrap.ts';

/** Everything that a message needs to become packets; nothing in it can be refused any more. */
export interface Work {
  readonly draft: Draft;
  readonly addressees: readonly Addressee[];
  readonly signingKey: PrivateKey;
  /** The author's own, for the copy that is kept; none is kept without it. */
  readonly copyFor: Reader | undefined;
  readonly geometry: Geometry;
  /** Absent when nobody is written to through mixes. */
  readonly mixing: Mixing | undefined;
  /** Absent without a gateway of the author's own. */
  readonly returning: Returning | undefined;
  readonly expiryMs: number;
}

export interface PipelineOptions {
  /** Where the packets go. */
  stage(): Promise<Staged>;
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
  readonly key: RecipientKey;
  /** The record of the domain. */
  readonly record: RecipientDomain;
  readonly packets: number;
  readonly mode: Travel['mode'];
  /** Why this mode, in words. */
  readonly why: string;
  /** May travel unencrypted between mail servers. */
  readonly tlsOptional: boolean;
  /** Whether the recipient's gateway can tell the author what it could not deliver. */
  readonly reports: boolean;
  /** One for each packet, none in direct mode. Shown to the author and kept nowhere. */
  readonly paths: readonly PathTaken[];
}

/**
 * seal → wrap → outbox or files, for every recipient. Durable as a whole when it returns; whatever stops it before leaves nothing of the
 * message behind.
 */
export async function queue(work: Work, options: PipelineOptions): Promise<Queued> {
  const { clock, random, signal } = options;
  const signing = { signingKey: work.signingKey, now: new Date(clock.now()), random };
  const mixing = work.mixing && { ...work.mixing, strategy: strategyOf(work.mixing) };
  await using staged = await options.stage();
  if (work.copyFor !== undefined) await staged.keep(await seal(work.draft, work.copyFor, signing));
  const recipients: RecipientResult[] = [];
  for (const addressee of work.addressees) {
    signal?.throwIfAborted();
    const sealed = await seal(work.draft, addressee, signing);
    const wrapping = await wrap(sealed, addressee, { ...work, mixing, clock, random });
    const { ticket, reports } = wrapping;
    if (ticket !== undefined)
      await staged.remember({ ...ticket, set: staged.id, messageId: work.draft.messageId });
    const paths: PathTaken[] = [];
    let packets = 0;
    for await (const { packet, path } of wrapping.make()) {
      signal?.throwIfAborted();
      await staged.add(packet);
      packets += 1;
      if (path !== undefined) paths.push(path);
      options.onBuilt?.(packets, wrapping.packets);
    }
    const { mailbox, travel, key, record } = addressee;
    recipients.push({ mailbox, key, record, packets, ...travel, reports, paths });
  }
  const warnings = await staged.commit();
  return { kind: 'queued', set: staged.id, recipients, warnings };
}

function strategyOf({ meanDelayMs }: Mixing): Strategy {
  return meanDelayMs === 0 ? none() : exponential(meanDelayMs);
}
