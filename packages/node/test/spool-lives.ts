import type { Fragment } from '@postern/protocol/envelope';
import { systemRandom } from '@postern/runtime';
import { expect } from 'vitest';
import type { Letter, Relay, Spool, SpoolId, Submission, Unit, Verdict } from '../src/spool.ts';
import { crashRelay, crashUnit } from './crash-units.ts';
import { seeded, until } from './support.ts';

/** Asks for one step and notes what became of it. */
export type Ask = <Answer>(step: string, work: () => Promise<Answer>) => Promise<Answer>;

/** What a node does with one thing, from the first to the last step. */
interface Life {
  readonly steps: (spool: Spool, ask: Ask) => Promise<void>;
  /** What is done again, in this order, by whoever got no answer to that step. */
  readonly sent: Readonly<Record<string, (spool: Spool) => Promise<unknown>>>;
  /** Everything that leaves the spool, the step by which it does, and the one that stores it twice when it is done again. */
  readonly ends: Readonly<Record<string, { readonly step: string; readonly twice?: string }>>;
}

/** Numbers of units: a packet; two exits, each with half of a message; one with a report for an author. */
const [packet, firstHalf, secondHalf, reported] = [1, 2, 3, 4];
/** Of relays that are no packet's: a report of the message, and what an author submits. */
const [report, submitted] = [5, 6];
const token = '7'.repeat(32);
const late = Date.UTC(2500, 0);

function exit(number: number): Unit {
  return { ...crashUnit(number), kind: 'exit' };
}

function relayOf(number: number): Relay {
  return { ...crashRelay(number).relay, next: { kind: 'domain', domain: 'b.test', own: true } };
}

function mailOf(setId: Uint8Array, text: string, part: Partial<Fragment> = {}): Fragment {
  const none = new Uint8Array();
  const data = new Uint8Array(Buffer.from(text));
  const whole = { index: 0, k: 1, n: 1, totalBytes: data.length, expires: late / 1_000 };
  return { recipient: 'bob@b.test', returnInfo: none, attestation: none, setId, data, ...whole, ...part };
}

/** A new set each time, as a node makes it. */
function letter(text: string, final: boolean): Letter {
  return { token, final, mail: mailOf(systemRandom.bytes(16), text) };
}

const verdicts: Readonly<Record<number, () => Verdict>> = {
  [packet]: () => crashRelay(packet),
  [firstHalf]: () => half(0),
  [secondHalf]: () => half(1),
  [reported]: () => ({ kind: 'returned', letter: letter('failed', true) }),
};

function half(index: number): Verdict {
  return { kind: 'fragment', fragment: mailOf(seeded('set').bytes(16), 'message', { index, k: 2, n: 2 }) };
}

function numberIn(bytes: Uint8Array | undefined): number {
  return Buffer.from(bytes ?? []).readUInt32BE(1);
}

const idOf = ([row]: readonly { readonly id: SpoolId }[]): SpoolId => row?.id ?? '';
const submission: Submission = {
  relay: relayOf(submitted),
  token,
  author: 'alice@a.test',
  tokenExpiresMs: late,
};

/** From a unit to what became of it, given back. */
async function takeIn(spool: Spool, ask: Ask, { kind, bytes }: Unit): Promise<void> {
  const number = numberIn(bytes);
  await ask(`accept ${number}`, () => spool.accept({ kind, bytes }));
  const input = await ask(`claim ${number}`, () => spool.claimInputs(kind, 1));
  const settled = await ask(`settle ${number}`, () =>
    spool.settle(idOf(input), (verdicts[number] as () => Verdict)()),
  );
  if (settled.kind === 'waiting') await ask('give back', () => spool.relays.release([settled.waiting.id]));
  if (settled.kind === 'complete') await ask('give back', () => spool.sets.release([settled.complete.id]));
}

async function forward(spool: Spool, ask: Ask, number: number): Promise<void> {
  const relay = await ask(`claim relay ${number}`, () => spool.relays.claim(1));
  await ask(`finish relay ${number}`, () => spool.relays.finish(idOf(relay)));
}

async function deliver(spool: Spool, ask: Ask, text: string, told?: Relay): Promise<void> {
  const set = await ask(`claim ${text}`, () => spool.sets.claim(1));
  await ask(`read ${text}`, () => spool.sets.read(idOf(set)));
  await ask(`finish ${text}`, () => spool.sets.finish(idOf(set), told));
}

export const lives: Readonly<Record<'packet' | 'message' | 'submission', Life>> = {
  packet: {
    async steps(spool, ask) {
      await takeIn(spool, ask, crashUnit(packet));
      await forward(spool, ask, packet);
    },
    sent: { [`accept ${packet}`]: (spool) => spool.accept(crashUnit(packet)) },
    ends: { [`relay ${packet}`]: { step: `finish relay ${packet}` } },
  },
  /** It cannot be delivered, and its author is told. */
  message: {
    async steps(spool, ask) {
      await takeIn(spool, ask, exit(firstHalf));
      await takeIn(spool, ask, exit(secondHalf));
      await deliver(spool, ask, 'message', relayOf(report));
      await forward(spool, ask, report);
    },
    sent: {
      [`accept ${firstHalf}`]: (spool) => spool.accept(exit(firstHalf)),
      [`accept ${secondHalf}`]: (spool) => spool.accept(exit(secondHalf)),
    },
    ends: {
      message: { step: 'finish message' },
      [`relay ${report}`]: { step: `finish relay ${report}` },
    },
  },
  /** It is late, then handed over, and then a report comes. */
  submission: {
    async steps(spool, ask) {
      await ask('submit', () => spool.submit(submission));
      const relay = await ask('claim relay', () => spool.relays.claim(1));
      await ask('find', () => spool.returns.find({ carriage: idOf(relay) }));
      await ask('tell', () => spool.returns.tell(letter('late', false)));
      await deliver(spool, ask, 'late');
      await ask(`finish relay ${submitted}`, () => spool.relays.finish(idOf(relay)));
      await takeIn(spool, ask, exit(reported));
      await deliver(spool, ask, 'failed');
    },
    sent: {
      submit: (spool) => spool.submit(submission),
      tell: (spool) => spool.returns.tell(letter('late', false)),
      [`accept ${reported}`]: (spool) => spool.accept(exit(reported)),
    },
    ends: {
      [`relay ${submitted}`]: { step: `finish relay ${submitted}`, twice: 'submit' },
      late: { step: 'finish late' },
      failed: { step: 'finish failed' },
    },
  },
};

/** Works off all that is there as nodes do, and says what left it. */
export async function workOff(spool: Spool): Promise<string[]> {
  const left: string[] = [];
  await until(async () => {
    for (const kind of ['packet', 'exit'] as const)
      for (const { id, bytes } of await spool.claimInputs(kind, 9)) {
        const number = numberIn(bytes);
        expect(Buffer.compare(bytes, crashUnit(number).bytes)).toBe(0);
        const settled = await spool.settle(id, (verdicts[number] as () => Verdict)());
        if (settled.kind === 'waiting') await spool.relays.release([settled.waiting.id]);
        if (settled.kind === 'complete') await spool.sets.release([settled.complete.id]);
      }
    for (const { id } of await spool.sets.claim(9)) {
      const text = Buffer.from((await spool.sets.read(id))?.[0]?.data ?? []).toString();
      await spool.sets.finish(id, text === 'message' ? relayOf(report) : undefined);
      left.push(text);
    }
    for (const { id } of await spool.relays.claim(9)) {
      left.push(`relay ${numberIn(await spool.relays.read(id))}`);
      await spool.relays.finish(id);
    }
    const none = Object.values(await spool.counts()).every((count) => count === 0);
    // The death of a process may be known a moment later.
    if (!none) await spool.sweep();
    return none;
  });
  return left;
}
