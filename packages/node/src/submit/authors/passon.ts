import type { AuthDecision } from '@postern/mail';
import type { Authors } from './authors.ts';
import { bounded } from './bounded.ts';
import { localPart } from './name.ts';

export interface PassOnOptions {
  readonly domain: string;
  /**
   * What the other server is told: the whole mailbox, or the local part for one that knows no other form. Never what the author
   * typed: a server of several domains may take a bare `alice` for the one at another.
   */
  readonly login: 'mailbox' | 'local';
}

/** Asks another server whether a login is right. Resolves soon after `signal` aborts. */
export type Ask = (user: string, password: string, signal: AbortSignal) => Promise<AuthDecision['kind']>;

const load = { atOnce: 8, inLine: 64 };
const timeoutMs = 20_000;

/** Authors are who another server takes for them: the password goes there and nowhere else. */
export function passOn({ domain, login }: PassOnOptions, ask: Ask): Authors {
  const desk = bounded(load);
  const closing = new AbortController();

  const judge = async (user: string, password: string): Promise<AuthDecision> => {
    const local = localPart(user, domain);
    if (local === undefined) return { kind: 'refused' };
    const mailbox = `${local}@${domain}`;
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]);
    const kind = await ask(login === 'mailbox' ? mailbox : local, password, signal);
    return kind === 'author' ? { kind, mailbox } : { kind };
  };

  return {
    judge: async ({ user, password }) =>
      (await desk.run(() => judge(user, password))) ?? { kind: 'unavailable' },
    close: async () => closing.abort(),
  };
}
