import type { Reply } from '../reply.ts';
import type { Gatekeeper } from './gatekeeper.ts';
import { beginExchange, type Step, wrongLogin } from './sasl.ts';

/** What a session says to a line of AUTH. */
export type Answer =
  /** 334: the next line belongs to the exchange. */
  | { readonly kind: 'challenge'; readonly text: string }
  /** `last`: the session ends with it. */
  | { readonly kind: 'reply'; readonly reply: Reply; readonly last: boolean };

/** The logins of one session: any number of exchanges until one succeeds, or `maxFailures` do not. */
export class AuthDialog {
  readonly #gatekeeper: Gatekeeper;
  readonly #remote: string;
  #exchange: Extract<Step, { kind: 'challenge' }> | undefined;
  #failures = 0;
  /** The mailbox that has logged in. */
  author: string | undefined;

  constructor(gatekeeper: Gatekeeper, remote: string) {
    this.#gatekeeper = gatekeeper;
    this.#remote = remote;
  }

  /** Whether the next line belongs to an exchange, and is no command. */
  get open(): boolean {
    return this.#exchange !== undefined;
  }

  /** Takes an AUTH command, or the next line of the open exchange. */
  take(line: string): Promise<Answer> {
    const step = this.#exchange === undefined ? beginExchange(line) : this.#exchange.answer(line);
    this.#exchange = undefined;
    return this.#answer(step);
  }

  async #answer(step: Step): Promise<Answer> {
    switch (step.kind) {
      case 'challenge':
        this.#exchange = step;
        return { kind: 'challenge', text: step.text };
      case 'login':
        return this.#logIn(step.user, step.password);
      case 'ended':
        return this.#fail(step.reply);
    }
  }

  async #logIn(user: string, password: string): Promise<Answer> {
    const decision = await this.#gatekeeper.ask({ user, password, remote: this.#remote });
    switch (decision.kind) {
      case 'author':
        this.author = decision.mailbox;
        return { kind: 'reply', reply: [235, '2.7.0', 'logged in'], last: false };
      case 'refused':
        return this.#fail(wrongLogin);
      case 'unavailable':
        return this.#fail([454, '4.7.0', 'not now']);
    }
  }

  #fail(reply: Reply): Answer {
    this.#failures += 1;
    return { kind: 'reply', reply, last: this.#failures >= maxFailures };
  }
}

/** AUTH commands without success, whatever the reason. */
const maxFailures = 3;
