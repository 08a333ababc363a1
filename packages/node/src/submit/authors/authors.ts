import type { AuthDecision, Login } from '@postern/mail';

/**
 * Who the authors of a domain are. The server behind it slows down who tries out passwords; here a login is right or wrong.
 * Nothing remembers one that was right: a program logs in once for a connection, a memory of passwords is one more thing to
 * take, and without it a changed password counts at once.
 */
export interface Authors {
  /** Takes what there is of time and memory for a bounded number of logins; beyond that `unavailable`. Shows no password to anybody. */
  judge(login: Pick<Login, 'user' | 'password'>): Promise<AuthDecision>;
  close(): Promise<void>;
}
