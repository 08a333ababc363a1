import type { Clock, Log } from '@postern/runtime';
import type { Loaded } from './keys/loaded.ts';
import { startLoop } from './loop.ts';

/** What DNS says of a key that is to be published: `unknown` while it has given no answer. */
export type Publication = 'published' | 'missing' | 'unknown';

export interface PublicationContext<T> {
  readonly clock: Clock;
  readonly log: Log;
  /** How soon DNS is asked again. */
  readonly everyMs: number;
  /** What the log says, once a day, while it is not published: a constant. */
  readonly warning: string;
  /** What has to be published now, if anything has. */
  subject(): Loaded<T> | undefined;
  /** Whether DNS has it. Rejects when that cannot be found out now. */
  ask(subject: Loaded<T>, signal: AbortSignal): Promise<boolean>;
  /** Told of each answer. */
  onAnswer?(subject: Loaded<T>, publication: Publication): Promise<void>;
}

/** Asks DNS about a key that its operator has to publish. */
export interface PublicationWatch {
  current(): Publication;
  /** Whether that was said within the last `everyMs`, by the clock: what was said before somebody set it says nothing of the time between. */
  isRecent(): boolean;
  stop(): Promise<void>;
}

interface Answer {
  /** Of the key. */
  readonly dir: string;
  readonly publication: Publication;
  readonly atMs: number;
}

const lookMs = 2_000;
const warnAgainMs = 86_400_000;

export function watchPublication<T>(context: PublicationContext<T>): PublicationWatch {
  const { clock, log, everyMs, warning } = context;
  let last: Answer | undefined;
  let warned: Answer | undefined;

  const look = async (subject: Loaded<T>, stop: AbortSignal): Promise<void> => {
    const publication: Publication = await context.ask(subject, stop).then(
      (has) => (has ? 'published' : 'missing'),
      () => 'unknown',
    );
    if (stop.aborted) return;
    const { dir } = subject;
    const answer: Answer = { dir, publication, atMs: clock.now() };
    await context.onAnswer?.(subject, publication);
    last = answer;
    if (publication === 'published') warned = undefined;
    else if (!isSame(warned, answer) || answer.atMs - (warned?.atMs ?? 0) >= warnAgainMs) {
      log.warn(warning, { dns: publication });
      warned = answer;
    }
  };

  const trouble = 'it could not be noted what DNS says of a key';
  const sinceMs = (): number => Math.abs(clock.now() - (last?.atMs ?? 0));
  const loop = startLoop({ clock, log, trouble }, async (stop) => {
    const subject = context.subject();
    const isDue = last?.dir !== subject?.dir || sinceMs() >= everyMs;
    if (subject !== undefined && isDue) await look(subject, stop);
    await clock.wait(clock.now() + lookMs, stop);
  });
  return {
    current: () => (last !== undefined && last.dir === context.subject()?.dir ? last.publication : 'unknown'),
    isRecent: () => last !== undefined && sinceMs() <= everyMs,
    stop: () => loop.stop(),
  };
}

function isSame(one: Answer | undefined, other: Answer): boolean {
  return one?.dir === other.dir && one.publication === other.publication;
}
