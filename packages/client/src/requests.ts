import type { Consensus } from '@postern/protocol/consensus';
import type { Explanation } from '@postern/protocol/route';
import type { DomainCheck, PrefetchProgress } from './domains/index.ts';
import type { Problem } from './message.ts';
import type { CarriageFile } from './outbox/index.ts';
import type { RecipientResult } from './pipeline.ts';
import type { Plan, Prepared, PrepareOptions } from './prepare.ts';
import type { Stay, Submission, WaitReason } from './submit/submit.ts';

/** What happens while a message is built and handed over: packets, and the bytes of those done. */
export type Progress =
  | {
      readonly kind: 'built' | 'submitted';
      readonly done: number;
      readonly of: number;
      readonly bytes: number;
    }
  /** Nothing moves until then, in the clock's milliseconds; what waits, and why. */
  | {
      readonly kind: 'pause';
      readonly untilMs: number;
      readonly waiting: readonly Stay<WaitReason>[];
    };

export interface SubmitRequest {
  /** How long to try, milliseconds; the configured time when absent. 0 tries nothing: packets stay in the outbox. */
  readonly timeoutMs?: number | undefined;
  /** Ends it early; what is in the outbox stays there. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: Progress) => void;
}

export interface PrefetchRequest {
  /** Over how long the questions are spread, milliseconds. */
  readonly withinMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onChecked?: (check: DomainCheck) => void;
  readonly onWait?: (progress: PrefetchProgress) => void;
}

export interface SendRequest extends PrepareOptions, SubmitRequest {}

/** `sent`: it is in the outbox, and so far on its way as `submitted` and `pending` say. */
export type SendOutcome =
  | ({
      readonly kind: 'sent';
      readonly messageId: string;
      /** Names the message in the outbox, and the author's copy. */
      readonly id: string;
      readonly recipients: readonly RecipientResult[];
      /** The author's mailbox, when all of it is carried by an account at a provider that knows nothing of Postern. */
      readonly account?: string;
      /** What went wrong although the message is on its way, in sentences. */
      readonly warnings: readonly string[];
    } & Submission)
  /** Nothing was stored and nothing was sent. */
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

/** `planned`: a message that could go, and that nothing was made of. */
export type PreviewOutcome = Plan | Extract<Prepared, { kind: 'refused' }>;

export interface WrapRequest extends PrepareOptions, Pick<SubmitRequest, 'signal' | 'onProgress'> {
  /** Below it the message gets a directory of its own. */
  readonly directory: string;
}

export type WrapOutcome =
  | {
      readonly kind: 'wrapped';
      readonly messageId: string;
      /** Names the author's copy, and the directory. */
      readonly id: string;
      readonly recipients: readonly RecipientResult[];
      readonly warnings: readonly string[];
      readonly files: readonly CarriageFile[];
    }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

export interface Routes {
  readonly consensus: Consensus;
  readonly explanation: Explanation;
  /** What keeps every message from these paths. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly string[];
}
