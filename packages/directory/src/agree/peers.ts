import type { Clock } from '@postern/runtime';
import type { Answer, ask } from '../ask.ts';
import { shortKey } from './authorities.ts';
import type { Peer } from './members.ts';

/** How another authority is spoken to. */
export type Exchange = typeof ask;

export interface PeersOptions {
  readonly others: readonly Peer[];
  readonly exchange: Exchange;
  readonly clock: Clock;
  /** For one exchange, milliseconds. */
  readonly timeoutMs: number;
  /** How soon something is sent again, milliseconds. */
  readonly retryMs: number;
}

/** What this authority sends to the others, and asks of them. Disposing of it ends whatever is under way. */
export interface Peers extends AsyncDisposable {
  readonly names: readonly string[];
  /** Asks one of them, a few questions at a time at most. Never throws. */
  ask(
    name: string,
    path: string,
    question: { readonly maxBytes: number; readonly body?: string },
  ): Promise<Answer>;
  /** Sends to each of them that has not signed it, from one time on, again and again until it is answered or the other time has come. */
  push(path: string, body: string, to: Push): void;
  /** What is known of each. */
  readonly seen: ReadonlyMap<string, Seen>;
}

export interface Push extends Span {
  readonly signedBy: readonly string[];
  /** Called for each that says that it has it. */
  readonly taken?: () => void;
  /** Until then those who have not answered are asked on, whether they have it: nobody takes it any more. */
  readonly doubtMs?: number;
}

export interface Seen {
  /** Of its last answer, milliseconds; undefined when the last question has not been answered. */
  readonly answeredMs: number | undefined;
  /** How far its clock is ahead, milliseconds, to a second; undefined until it has said. */
  readonly aheadMs: number | undefined;
  /** Why its last answer is none, in words; undefined when it is one. */
  readonly why: string | undefined;
}

/** Questions that one of them is asked at a time; all others wait. */
const mostAtOnce = 8;

/** Questions that may wait for one of them. */
const mostWaiting = 64;

/** Longest answer to what was sent, bytes. */
const receiptBytes = 8_192;

export function createPeers({ others, exchange, clock, timeoutMs, retryMs }: PeersOptions): Peers {
  const stop = new AbortController();
  const seen = new Map<string, Seen>();
  const peers = new Map(others.map((peer) => [peer.name, peer]));
  const gates = gatesOf(others);
  /** What is sent waits for no question. */
  const sendGates = gatesOf(others);
  const sending = new Set<Promise<void>>();

  const askThrough = async (
    enter: Gate | undefined,
    name: string,
    path: string,
    question: Parameters<Peers['ask']>[2],
  ): Promise<Answer> => {
    const peer = peers.get(name);
    const entered = enter?.();
    if (peer === undefined || entered === undefined)
      return { kind: 'unreachable', why: 'has too much to answer already' };
    using _ = await entered;
    const sent = clock.now();
    const given = await exchange(`${peer.url}${path}`, {
      ...question,
      timeoutMs,
      signal: stop.signal,
    }).catch((error: unknown): Answer => {
      if (!stop.signal.aborted) throw error;
      return { kind: 'unreachable', why: 'is not asked any more' };
    });
    const answer = recognised(given, peer);
    seen.set(name, seenOf(answer, seen.get(name), sent, clock.now()));
    return answer;
  };
  const ask: Peers['ask'] = (name, path, question) => askThrough(gates.get(name), name, path, question);
  const sendTo = async (name: string, path: string, body: string, to: Push): Promise<void> => {
    await clock.wait(to.fromMs, stop.signal);
    while (clock.now() < (to.doubtMs ?? to.untilMs)) {
      const answer = await askThrough(sendGates.get(name), name, path, { maxBytes: receiptBytes, body });
      if (answer.kind === 'answer' && answer.status === 202) to.taken?.();
      if (answer.kind === 'answer' && (isFinal(answer) || clock.now() >= to.untilMs)) return;
      stop.signal.throwIfAborted();
      await clock.wait(clock.now() + retryMs, stop.signal);
    }
  };
  return {
    names: others.map(({ name }) => name),
    ask,
    seen,
    push(path, body, to) {
      for (const { name } of others) {
        if (to.signedBy.includes(name)) continue;
        const sent = sendTo(name, path, body, to).catch((error: unknown) => {
          if (!stop.signal.aborted) throw error;
        });
        sending.add(sent);
        void sent.finally(() => sending.delete(sent));
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(sending);
    },
  };
}

interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Taken, or refused for good; what comes too early, or to one that is busy, is sent again. */
function isFinal({ status, text }: Extract<Answer, { kind: 'answer' }>): boolean {
  if (status >= 500 || status === 429) return false;
  return !text.includes('"error":"early"');
}

/** What somebody else says at the URL of one of them is no answer of that one. */
function recognised(given: Answer, { key }: Peer): Answer {
  if (given.kind !== 'answer' || given.by === undefined || given.by === shortKey(key)) return given;
  const why = `${given.by} answers there, and not ${shortKey(key)}: compare url and key`;
  return { kind: 'unreachable', why };
}

function seenOf(answer: Answer, before: Seen | undefined, sentMs: number, nowMs: number): Seen {
  const none = (why: string): Seen => ({ answeredMs: undefined, aheadMs: before?.aheadMs, why });
  if (answer.kind === 'unreachable') return none(answer.why);
  if (answer.kind === 'answer' && answer.by === undefined)
    return none(`what answers there is no authority (HTTP ${answer.status}): compare the url`);
  const date = answer.kind === 'answer' ? answer.date : undefined;
  // a date says the whole second only
  const aheadMs = date === undefined ? before?.aheadMs : date + 500 - (sentMs + nowMs) / 2;
  return { answeredMs: nowMs, aheadMs, why: undefined };
}

/** Lets somebody in, at once or later; undefined when too many wait already. */
type Gate = () => Promise<Disposable> | undefined;

function gatesOf(others: readonly Peer[]): ReadonlyMap<string, Gate> {
  return new Map(others.map(({ name }) => [name, gate(mostAtOnce, mostWaiting)]));
}

/** Lets so many in at a time, in the order in which they come. */
function gate(most: number, mostWaiting: number): Gate {
  let inside = 0;
  const waiting: (() => void)[] = [];
  const leave = {
    [Symbol.dispose]() {
      const next = waiting.shift();
      if (next === undefined) inside -= 1;
      else next();
    },
  };
  return () => {
    if (inside < most) {
      inside += 1;
      return Promise.resolve(leave);
    }
    if (waiting.length >= mostWaiting) return undefined;
    return new Promise((resolve) => waiting.push(() => resolve(leave)));
  };
}
