import { composeReport } from '@postern/mail';
import type { Clock, Random } from '@postern/runtime';
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

export interface LetterContext {
  readonly clock: Clock;
  readonly random: Random;
  /** The author's domain, whose gateway this is. */
  readonly domain: string;
}

/** How long a mailbox that cannot be reached is tried. */
const keptMs = 5 * 86_400_000;

export function createLetters({ clock, random, domain }: LetterContext): ComposeLetter {
  return ({ token, author }, news) => {
    const common = {
      author,
      domain,
      token,
      now: new Date(clock.now()),
      random: (n: number) => random.bytes(n),
    };
    const data = composeReport({ ...common, ...fieldsOf(news) });
    const mail = {
      recipient: author,
      setId: random.bytes(16),
      index: 0,
      k: 1,
      n: 1,
      totalBytes: data.length,
      expires: Math.ceil((clock.now() + keptMs) / 3_600_000) * 3_600,
      // Nothing is reported of a report.
      returnInfo: new Uint8Array(),
      attestation: new Uint8Array(),
      data,
    };
    return { token, final: news.kind !== 'delayed', mail };
  };
}

type Fields = Pick<
  Parameters<typeof composeReport>[0],
  'action' | 'sealed' | 'status' | 'diagnostic' | 'finalRecipient'
>;

function fieldsOf(news: News): Fields {
  if (news.kind === 'sealed') return { action: 'failed', sealed: news.sealed };
  const { kind: action, failure, domain } = news;
  return {
    action,
    status: failure.status,
    ...(failure.diagnostic === undefined ? {} : { diagnostic: failure.diagnostic }),
    ...(domain === undefined ? {} : { finalRecipient: `secure@${domain}` }),
  };
}
