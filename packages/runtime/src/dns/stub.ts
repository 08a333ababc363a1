import { isIP } from 'node:net';
import { type Clock, systemClock } from '../clock.ts';
import type { Endpoint } from '../config.ts';
import { type Random, systemRandom } from '../random.ts';
import { type Answer, failed, type RecordType, type Resolver } from './answer.ts';
import { type Exchanged, type ExchangeOptions, exchange } from './exchange.ts';
import { type Message, rcodes } from './message.ts';
import { parseName } from './name.ts';
import { isAnswer, readAnswer } from './read.ts';
import { types } from './types.ts';

export interface StubOptions {
  readonly server: Endpoint;
  readonly clock?: Clock;
  readonly random?: Random;
  /** For a whole question, milliseconds. */
  readonly timeoutMs?: number;
  readonly resendMs?: number;
}

/**
 * Leaves validation to the resolver it asks. The resolver's word that an answer is secure (the AD bit) is taken only from
 * loopback: on any other way somebody could have set it (RFC 4035 section 4.9.3).
 */
export function createStubResolver(options: StubOptions): Resolver {
  const full = completed(options);
  const trusted = isLoopback(options.server.host);
  return {
    async resolve<T extends RecordType>(text: string, type: T, signal?: AbortSignal): Promise<Answer<T>> {
      const name = parseName(text);
      const deadline = full.clock.now() + full.timeoutMs;
      const ask = (checkingDisabled: boolean): Promise<Exchanged> =>
        exchange({ name, type: types[type], checkingDisabled }, full, { deadline, signal });
      const message = await ask(false);
      if (typeof message === 'string') return failed(message);
      if (isAnswer(message)) return readAnswer(message, name, type, trusted && message.authentic);
      return failed(
        message.rcode === rcodes.servFail && (await isBogus(message, ask)) ? 'bogus' : 'servfail',
      );
    },
  };
}

export interface ExchangeSettings extends ExchangeOptions {
  readonly timeoutMs: number;
}

export function completed({ server, ...options }: StubOptions): ExchangeSettings {
  const { clock = systemClock, random = systemRandom, timeoutMs = 10_000, resendMs = 1_000 } = options;
  return { server, clock, random, timeoutMs, resendMs };
}

/** 127.0.0.0/8 and ::1, and nothing that a name could stand for. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  return family === 4
    ? host.startsWith('127.')
    : family === 6 && new URL(`http://[${host}]`).hostname === '[::1]';
}

/** RFC 8914 says which failures are DNSSEC's. Without such a word: bogus is what can be had unchecked. */
async function isBogus(
  { extendedErrors }: Message,
  ask: (checkingDisabled: boolean) => Promise<Exchanged>,
): Promise<boolean> {
  if (extendedErrors.some((code) => bogusErrors.has(code))) return true;
  if (extendedErrors.some((code) => outageErrors.has(code))) return false;
  const unchecked = await ask(true);
  return typeof unchecked !== 'string' && isAnswer(unchecked);
}

/** DNSSEC Bogus; Signature Expired, Not Yet Valid; DNSKEY, RRSIGs Missing; No Zone Key Bit Set; NSEC Missing. */
const bogusErrors: ReadonlySet<number> = new Set([6, 7, 8, 9, 10, 11, 12]);
/** No Reachable Authority; Network Error. */
const outageErrors: ReadonlySet<number> = new Set([22, 23]);
