import { type Attempt, handOver, type Link, type Mail, quit, reset } from './connection.ts';
import type { Opened } from './open.ts';
import { deferred, type SendResult } from './result.ts';
import { Slots } from './slots.ts';

export interface PoolOptions {
  readonly maxConnections: number;
  /** How long an unused connection stays open, in ms. */
  readonly idleMs: number;
  /** Longest time for one message over an open connection, in ms. */
  readonly sendMs: number;
  open(signal: AbortSignal | undefined): Promise<Opened>;
}

/** The connections to one server. Each carries one message at a time, and many in its life. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #slots: Slots;
  readonly #idle: Map<Link, NodeJS.Timeout> = new Map();
  readonly #running: Set<Promise<unknown>> = new Set();
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#slots = new Slots(options.maxConnections);
  }

  /** Whether it holds nothing: no connection and no message. */
  get unused(): boolean {
    return this.#idle.size === 0 && this.#running.size === 0;
  }

  send(mail: Mail, signal: AbortSignal | undefined): Promise<SendResult> {
    const sending = this.#send(mail, signal);
    this.#running.add(sending);
    return sending.finally(() => this.#running.delete(sending));
  }

  /** Messages that wait for a connection come back; those on their way come to their end. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#slots.dismiss();
    await Promise.all([...this.#running, ...[...this.#idle.keys()].map((link) => this.#dismiss(link))]);
  }

  async #send(mail: Mail, signal: AbortSignal | undefined): Promise<SendResult> {
    if (this.#closed) return deferred('closed');
    if (signal?.aborted) return deferred('aborted');
    if (!(await this.#slots.take(signal))) return deferred(this.#closed ? 'closed' : 'crowded');
    try {
      return await this.#overSomeLink(mail, signal);
    } finally {
      this.#slots.give();
    }
  }

  /** A connection that the peer closed while it was idle costs no attempt. */
  async #overSomeLink(mail: Mail, signal: AbortSignal | undefined): Promise<SendResult> {
    for (let link = this.#takeIdle(); link !== undefined; link = this.#takeIdle()) {
      const { result, connection } = await this.#over(link, mail, signal);
      if (connection !== 'stale') return result;
    }
    const opened = await this.#options.open(signal);
    if (opened.kind !== 'open') return opened;
    const { link } = opened;
    link.connection.once('end', () => this.#forget(link));
    return (await this.#over(link, mail, signal)).result;
  }

  async #over(link: Link, mail: Mail, signal: AbortSignal | undefined): Promise<Attempt> {
    const attempt = await handOver(link, mail, { ms: this.#options.sendMs, signal });
    const { connection } = attempt;
    const ready = connection === 'ready' || (connection === 'refused' && (await reset(link, resetMs)));
    if (!ready) link.connection.close();
    else if (this.#closed) await quit(link, quitMs);
    else this.#keep(link);
    return attempt;
  }

  #keep(link: Link): void {
    if (link.connection.destroyed) return;
    this.#idle.set(link, setTimeout(() => void this.#dismiss(link), this.#options.idleMs).unref());
  }

  #takeIdle(): Link | undefined {
    const link = [...this.#idle.keys()].at(-1);
    if (link !== undefined) this.#forget(link);
    return link;
  }

  #forget(link: Link): void {
    clearTimeout(this.#idle.get(link));
    this.#idle.delete(link);
  }

  #dismiss(link: Link): Promise<void> {
    this.#forget(link);
    return quit(link, quitMs);
  }
}

/** How long the answer to RSET is waited for. The message's outcome waits with it. */
const resetMs = 2000;
/** How long the answer to QUIT is waited for. */
const quitMs = 1000;
