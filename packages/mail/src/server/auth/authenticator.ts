/** A login as the client gave it. The password is nobody's to keep or to show. */
export interface Login {
  readonly user: string;
  readonly password: string;
  /** Address of the client. */
  readonly remote: string;
}

export type AuthDecision =
  /** `mailbox` is the one that the session may send from. */
  | { readonly kind: 'author'; readonly mailbox: string }
  | { readonly kind: 'refused' }
  /** Nobody can say now whether the login is right. */
  | { readonly kind: 'unavailable' };

/** What became of a login; `slowed-down`: it was not looked at, since too many failed before it. */
export type AuthOutcome = AuthDecision['kind'] | 'slowed-down';

/** Who may log in, to servers for submission (RFC 6409): nobody else sends anything there. */
export interface Authenticator {
  /**
   * Judges a login. The client is told nothing of the reason, and should not find it in the time either: a user that
   * does not exist costs as much as a wrong password. What it throws counts as `unavailable`.
   */
  authenticate(login: Login): Promise<AuthDecision>;
  /** Told of every login, for counting. */
  onAuth?(outcome: AuthOutcome): void;
  readonly limits?: Partial<AuthLimits>;
  /** For tests. */
  readonly clock?: AuthClock;
}

/** How often a login may fail. All is kept in memory, and forgotten at the end of the process. */
export interface AuthLimits {
  /** How long a failure counts, in ms. */
  readonly windowMs: number;
  /** Failures of one login after which the next are turned away unseen. */
  readonly maxFailuresPerLogin: number;
  /** The same for one remote: an IPv4 address, or the /64 of an IPv6 address. */
  readonly maxFailuresPerRemote: number;
  /** How long the answer waits after one failure, in ms; twice as long after each further one. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** Logins, remotes and pairs of them that are remembered, of each. Those longest unseen go first. */
  readonly maxEntries: number;
}

/**
 * Ten guesses of a password in a quarter of an hour are some 350,000 in a year: a random one of 32 bits outlasts that.
 * Many people may share a remote.
 */
export const defaultAuthLimits: AuthLimits = {
  windowMs: 900_000,
  maxFailuresPerLogin: 10,
  maxFailuresPerRemote: 50,
  delayMs: 250,
  maxDelayMs: 8000,
  maxEntries: 10_000,
};

export interface AuthClock {
  /** In ms, from any begin. Never goes back. */
  now(): number;
  wait(ms: number): Promise<void>;
}

export const systemAuthClock: AuthClock = {
  now: () => performance.now(),
  wait: (ms) => new Promise((resolve) => void setTimeout(resolve, ms).unref()),
};
