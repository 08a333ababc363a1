import {
  type Authenticator,
  type AuthOutcome,
  createGatekeeper,
  type Gatekeeper,
  type Login,
  type SmtpServerOptions,
} from '@postern/mail';
import { type Inbox, openInbox } from './inbox.ts';

/** A server for authors: alice@a.test logs in as `alice` with `wonder land`, and may write to secure@ anywhere. */
export interface Desk extends Inbox {
  readonly gatekeeper: Gatekeeper;
  readonly logins: Login[];
  readonly outcomes: AuthOutcome[];
  /** How long answers to logins waited, in ms of a clock that a test moves. */
  readonly waits: number[];
  pass(ms: number): void;
}

export async function openDesk(
  auth: Partial<Authenticator> = {},
  options: Partial<SmtpServerOptions> = {},
): Promise<Desk> {
  const logins: Login[] = [];
  const outcomes: AuthOutcome[] = [];
  const waits: number[] = [];
  let now = 0;
  const authenticator: Authenticator = {
    async authenticate(login) {
      logins.push(login);
      if (login.user === 'broken') throw new Error('no database');
      if (login.user === 'later') return { kind: 'unavailable' };
      const right = login.user.toLowerCase() === 'alice' && login.password === 'wonder land';
      return right ? { kind: 'author', mailbox: 'Alice@a.test' } : { kind: 'refused' };
    },
    onAuth: (outcome) => outcomes.push(outcome),
    clock: {
      now: () => now,
      async wait(ms) {
        waits.push(ms);
      },
    },
    ...auth,
  };
  const gatekeeper = createGatekeeper(authenticator, options.onFault);
  const inbox = await openInbox({
    minTls: 'TLSv1.2',
    maxRecipients: 1,
    accepts: (mailbox) => mailbox.startsWith('secure@'),
    auth: gatekeeper,
    ...options,
  });
  const pass = (ms: number): void => {
    now += ms;
  };
  return { ...inbox, gatekeeper, logins, outcomes, waits, pass };
}

export function base64(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64');
}

export const right = base64('\0alice\0wonder land');
export const wrong = base64('\0alice\0rabbit hole');
