import type { Submission } from '@postern/directory/client';
import type { Clock, Log } from '@postern/runtime';

type Failed = Submission['failed'][number];

/** A directory that has not taken the newest descriptor. */
export interface Untaken {
  readonly url: string;
  /** Its reason; `unreached` when it gave none. */
  readonly why: NonNullable<Failed['refusal']> | 'unreached';
  /** Milliseconds: since when it is so, whichever descriptors there were. */
  readonly sinceMs: number;
}

/** What an operator is told of directories that do not take a node's descriptors. */
export interface UntakenBy {
  /** Who has taken a descriptor that was brought to them, and who has not. A refusal is logged when it is new, and once a day. */
  note(accepted: readonly string[], failed: readonly Failed[]): void;
  list(): readonly Untaken[];
}

const dayMs = 86_400_000;

/** They go by themselves; any other refusal stays as long as the descriptor does. */
const passing: readonly Failed['refusal'][] = ['too-often', 'full', 'from-the-future'];

/** Whether the same descriptor may be taken when it is brought again. */
export function mayPass({ refusal }: Failed): boolean {
  return refusal === undefined || passing.includes(refusal);
}

export function createUntaken({ clock, log }: { readonly clock: Clock; readonly log: Log }): UntakenBy {
  const untaken = new Map<string, Untaken & { readonly saidMs: number }>();
  return {
    note(accepted, failed) {
      for (const url of accepted) untaken.delete(url);
      for (const { url, refusal } of failed) {
        const nowMs = clock.now();
        const why = refusal ?? 'unreached';
        const before = untaken.get(url);
        const isSame = before?.why === why;
        const isSaid = isSame && nowMs < before.saidMs + dayMs;
        if (why !== 'unreached' && !isSaid) log.warn('the directory refuses this node', { url, reason: why });
        const sinceMs = isSame ? before.sinceMs : nowMs;
        untaken.set(url, { url, why, sinceMs, saidMs: isSaid ? before.saidMs : nowMs });
      }
    },
    list: () => [...untaken.values()].map(({ url, why, sinceMs }) => ({ url, why, sinceMs })),
  };
}
