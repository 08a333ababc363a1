import type { SmtpPeer } from '@postern/mail';
import { type PasswordSource, readPassword } from './password.ts';
import type { SubmissionConfig, SubmissionKind } from './settings.ts';

/** The author's account at the gateway of their own domain, or at a provider that knows nothing of Postern. */
export interface Account {
  readonly kind: SubmissionKind;
  /** The server's host. */
  readonly server: string;
  /** Where to hand over, and the login. The password is read once. Throws `no-password`, `exposed`. */
  peer(): Promise<SmtpPeer>;
  /** Lets the password be read anew: the gateway does not take this one. */
  forget(): void;
}

export function openAccount(config: SubmissionConfig, ask: PasswordSource, signal: AbortSignal): Account {
  const { kind, host, port, implicitTls, tls, user } = config;
  let password: Promise<string> | undefined;
  const forget = (): void => {
    password = undefined;
  };
  return {
    kind,
    server: host,
    async peer() {
      if (password === undefined) {
        password = readPassword(config, ask, signal);
        password.catch(forget);
      }
      return { host, port, implicitTls, tls, auth: { user, pass: await password } };
    },
    forget,
  };
}
