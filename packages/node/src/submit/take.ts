import type { Decision, Message } from '@postern/mail';
import type { Clock, Log, LogFields } from '@postern/runtime';
import type { Counters, Outcome } from '../counters.ts';
import { codeOf } from '../loop.ts';
import { createRate, type RateLimits } from '../rate.ts';
import type { Spool } from '../spool.ts';
import { answer, spoolFull } from './answer.ts';
import { type ReadContext, read } from './read.ts';

export interface TakeContext extends ReadContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly spool: Pick<Spool, 'submit'>;
  /** How long reports for a message are taken. */
  readonly tokenLifeMs: number;
  readonly limits: RateLimits;
}

/** Takes one message of an author who has logged in. */
export function taker(context: TakeContext): (message: Message) => Promise<Decision> {
  const { clock, counters, spool, tokenLifeMs } = context;
  const rate = createRate(context.limits, clock);
  const note = storageNote(context.log);
  const decide = (outcome: Outcome<'submitted'>): Decision => {
    counters.count('submitted', outcome);
    return answer[outcome];
  };

  return async (message) => {
    const { author = '' } = message; // there is one: nobody else gets this far
    if (!rate.take(author, message.bytes.length)) return decide('limited');
    const submission = read(message, context);
    if (submission.kind !== 'submission') return decide(submission.kind);
    const { relay, token } = submission;
    const tokenExpiresMs = clock.now() + tokenLifeMs;
    try {
      const submitted = await spool.submit({ relay, token, author, tokenExpiresMs });
      note(true);
      return decide(submitted === 'submitted' ? 'accepted' : submitted);
    } catch (error) {
      const code = codeOf(error);
      note(false, { code });
      const deferred = decide('deferred');
      return code === 'spool-full' ? spoolFull : deferred;
    }
  };
}

/** Says once that nothing can be stored, and once that it can again. */
function storageNote(log: Log): (works: boolean, fields?: LogFields) => void {
  let storing = true;
  return (works, fields = {}) => {
    if (works === storing) return;
    storing = works;
    if (works) log.info('submissions are stored again');
    else log.error('submissions cannot be stored', fields);
  };
}
