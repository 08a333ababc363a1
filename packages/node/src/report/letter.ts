import type { Letter, Return } from '../spool.ts';
import type { Failure } from './report.ts';

/** What an author's gateway knows of a failure. */
export type News =
  /** Sealed for the author: what it says only they can read. */
  | {
      readonly kind: 'sealed';
      readonly sealed: { readonly kind: 'sealed' | 'reply'; readonly data: Uint8Array };
    }
  /** Of the gateway's own hand-over, or of a mail server behind it. `domain`: where the carriage went; none for a mix. */
  | {
      readonly kind: 'failed' | 'delayed';
      readonly failure: Failure;
      readonly domain: string | undefined;
    };

/** Writes to an author (spec report 4). */
export type ComposeLetter = (to: Return, news: News) => Letter;
