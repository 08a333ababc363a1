import { createHash } from 'node:crypto';
import { remoteNetworks } from '../admission.ts';
import {
  type AuthClock,
  type AuthDecision,
  type Authenticator,
  type AuthLimits,
  defaultAuthLimits,
  type Login,
  systemAuthClock,
} from './authenticator.ts';
import { Failures, Pending, Recent } from './failures.ts';

/**
 * Stands between sessions and the authenticator, against who tries out passwords: after some failures of a login, or from
 * a remote, answers come later, and after some more the login is not looked at. Those under way count as well, or a hundred
 * sessions would have a hundred tries at once. Servers that ask the same authenticator share one, or each of them would
 * give as many tries again.
 *
 * Who has logged in from a remote before is spared there what others did to their login: or anybody could lock
 * anybody out.
 */
export class Gatekeeper {
  readonly #authenticator: Authenticator;
  readonly #onFault: ((fault: unknown) => void) | undefined;
  readonly #limits: AuthLimits;
  readonly #clock: AuthClock;
  readonly #byLogin: Tally;
  readonly #byRemote: Tally;
  /** Pairs of login and remote. */
  readonly #known: Recent;

  constructor(authenticator: Authenticator, onFault: ((fault: unknown) => void) | undefined) {
    this.#authenticator = authenticator;
    this.#onFault = onFault;
    this.#limits = { ...defaultAuthLimits, ...authenticator.limits };
    this.#clock = authenticator.clock ?? systemAuthClock;
    const options = { ...this.#limits, now: () => this.#clock.now() };
    this.#byLogin = new Tally(new Failures(options), this.#limits.maxFailuresPerLogin);
    this.#byRemote = new Tally(new Failures(options), this.#limits.maxFailuresPerRemote);
    this.#known = new Recent(this.#limits.maxEntries);
  }

  /** The answer to a login, as late as it has to be. Turned away unseen is `unavailable`, like any other 4yz. */
  async ask(login: Login): Promise<AuthDecision> {
    const name = loginKey(login.user);
    const remote = remoteNetworks(login.remote).wide;
    const pair = `${name} ${remote}`;
    const known = this.#known.has(pair);
    if (this.#byRemote.full(remote) || (!known && this.#byLogin.full(name))) {
      this.#authenticator.onAuth?.('slowed-down');
      return { kind: 'unavailable' };
    }
    const tallies = [
      [this.#byLogin, name],
      [this.#byRemote, remote],
    ] as const;
    for (const [tally, key] of tallies) tally.enter(key);
    const failures = known ? 0 : Math.max(this.#byLogin.failures(name), this.#byRemote.failures(remote));
    const decision = await this.#decide(login, this.#delay(failures));
    for (const [tally, key] of tallies) tally.leave(key, decision.kind === 'refused');
    if (decision.kind === 'author') this.#known.add(pair);
    this.#authenticator.onAuth?.(decision.kind);
    return decision;
  }

  /** Right and wrong logins wait alike. */
  async #decide(login: Login, delayMs: number): Promise<AuthDecision> {
    if (delayMs > 0) await this.#clock.wait(delayMs);
    try {
      return await this.#authenticator.authenticate(login);
    } catch (fault) {
      this.#onFault?.(fault);
      return { kind: 'unavailable' };
    }
  }

  #delay(failures: number): number {
    if (failures === 0) return 0;
    return Math.min(this.#limits.delayMs * 2 ** (failures - 1), this.#limits.maxDelayMs);
  }
}

/** `onFault` is told what `authenticate` throws. */
export function createGatekeeper(
  authenticator: Authenticator,
  onFault?: (fault: unknown) => void,
): Gatekeeper {
  return new Gatekeeper(authenticator, onFault);
}

/** Failures and tries under way of some kind of key. */
class Tally {
  readonly #failures: Failures;
  readonly #pending: Pending = new Pending();
  readonly #most: number;

  constructor(failures: Failures, most: number) {
    this.#failures = failures;
    this.#most = most;
  }

  failures(key: string): number {
    return this.#failures.count(key);
  }

  full(key: string): boolean {
    return this.#failures.count(key) + this.#pending.count(key) >= this.#most;
  }

  enter(key: string): void {
    this.#pending.enter(key);
  }

  leave(key: string, failed: boolean): void {
    this.#pending.leave(key);
    if (failed) this.#failures.add(key);
  }
}

/**
 * A login may be thousands of octets long. Mail systems tell no case apart in it, and take a mailbox or its local part for one
 * author: whoever guesses has the tries of one.
 */
function loginKey(user: string): string {
  const [local = ''] = user.toLowerCase().split('@', 1);
  return createHash('sha256').update(local).digest('base64url');
}
