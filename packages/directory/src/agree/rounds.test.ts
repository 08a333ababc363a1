import { noteSigner } from '@postern/protocol/codec';
import {
  type Certificate,
  type CertifiedReader,
  commitTo,
  countersign,
  signReveal,
  signVote,
  type Vote,
  writeGeometry,
} from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Part } from '../ballots.ts';
import { createRounds, type Outcome, type Rounds, type Taken } from './rounds.ts';

const epoch = 7;
const startMs = 1_000_000;
const roundMs = 1_000;
/** What a message takes, and a clock is ahead or behind, at most: two differ by twice as much. */
const slackMs = 160;

/** With keys as nodes have them: rounds do not depend on the algorithm, and the composite one takes longer than what is tested. */
const signers = ['a', 'b', 'c', 'd', 'e'].map((letter, at) => ({
  ...noteSigner('ed25519', `${letter}.test`, new Uint8Array(32).fill(at)),
  certificate: `postern.certificate/v1\n${letter}.test\n`,
}));
const names = signers.map(({ name }) => name);
/** Each certificate is known, and any other one is none. */
const reader: CertifiedReader = {
  authorities: [],
  readCertificate(signed) {
    const found = signers.find(({ certificate }) => certificate === signed);
    if (found === undefined) return { kind: 'refused', reason: 'malformed', detail: 'it is none of these' };
    const authority = { name: found.name, identity: new Uint8Array(32) };
    const key = { ...found, authority, validAfter: 0, validUntil: 2 ** 40 };
    return { kind: 'certificate', key, certificate: {} as Certificate };
  },
};
/** All but two: those are the most that there may be. */
const faulty = [0, 1, 2];
const honest = [3, 4];
const honestNames = ['d.test', 'e.test'];
const slot = { epoch, slot: 3, startMs, roundMs, endMs: startMs + 10 * roundMs };

const chance = (at: number): string => `${at}`.padStart(64, '0');

function vote(at: number, change: Partial<Vote> = {}): string {
  const signer = signers[at] as (typeof signers)[number];
  const vote: Vote = {
    version: 1,
    epoch,
    slot: 3,
    authority: signer.name,
    previous: '',
    signed: '',
    epochSeconds: 60,
    geometry: writeGeometry(defaultGeometry),
    meanDelayMs: 200,
    width: { least: 10, most: 100, perMix: 1_000 },
    descriptors: [],
    revoked: [],
    commit: commitTo(chance(at)),
    ...change,
  };
  return signVote(vote, signer);
}

function reveal(at: number, value = chance(at)): string {
  const signer = signers[at] as (typeof signers)[number];
  return signReveal({ version: 1, epoch, slot: 3, authority: signer.name, value }, signer);
}

function roundsOf(at: number): Rounds {
  const signer = signers[at] as (typeof signers)[number];
  return createRounds({ slot, names, reader, signer });
}

function take(rounds: Rounds, part: Part, signed: string, nowMs: number): Taken {
  const reading = rounds.read(part, signed, nowMs);
  return reading.kind === 'valid' ? rounds.take(reading.valid, nowMs) : reading;
}

/** What those who are faulty may do: send any of what they can sign to anybody whenever they like. */
interface Move {
  readonly part: Part;
  readonly from: number;
  /** Which of the two things that it says. */
  readonly version: number;
  /** Which of the faulty ones sign it besides. */
  readonly signedBy: readonly number[];
  readonly to: number;
  /** Share of the part's time. */
  readonly at: number;
}

interface Event {
  readonly atMs: number;
  /** Whose own it is that it sends itself. */
  readonly own?: number;
  readonly to: number;
  readonly part: Part;
  readonly signed: string;
}

/** Runs an agreement whose first three members are faulty, and gives what the others come to. */
function simulate(
  moves: readonly Move[],
  clocks: readonly number[],
  delays: readonly number[],
): { outcomes: Outcome[]; refusals: string[] } {
  const rounds = new Map(honest.map((at) => [at, roundsOf(at)]));
  const some = rounds.get(3) as Rounds;
  const queue: Event[] = [];
  let delayed = 0;
  const sendAll = (from: number, atMs: number, part: Part, signed: string, own?: number): void => {
    for (const to of honest) {
      const delayMs = to === from ? 0 : (delays[delayed++ % delays.length] ?? 0) * slackMs;
      queue.push({ atMs: atMs + delayMs, to, part, signed, ...(own !== undefined && { own }) });
    }
  };
  const skew = (at: number): number => (clocks[at] ?? 0) * slackMs;
  for (const at of honest) {
    sendAll(at, some.dueMs.vote - skew(at), 'vote', vote(at), at);
    sendAll(at, some.dueMs.reveal - skew(at), 'reveal', reveal(at), at);
  }
  for (const { part, from, version, signedBy, to, at } of moves) {
    const own = part === 'vote' ? vote(from, { meanDelayMs: version }) : reveal(from, chance(from + version));
    const signed = signedBy.reduce((note, by) => countersign(note, signers[by] as never), own);
    const begun = part === 'vote' ? startMs : some.closedMs.vote;
    queue.push({ atMs: begun + at * (some.closedMs[part] - begun), to: honest[to] ?? 3, part, signed });
  }
  const refusals: string[] = [];
  for (;;) {
    queue.sort((a, b) => a.atMs - b.atMs);
    const event = queue.shift();
    if (event === undefined) break;
    const { atMs, to, part, signed, own } = event;
    const taken = take(rounds.get(to) as Rounds, part, signed, atMs + skew(to));
    if (taken.kind === 'new') sendAll(to, taken.fromMs - skew(to), part, taken.passOn);
    if (taken.kind !== 'refused' && own !== undefined && own !== to) rounds.get(own)?.heard(part);
    if (taken.kind === 'refused') refusals.push(taken.reason);
  }
  return { outcomes: honest.map((at) => (rounds.get(at) as Rounds).outcome()), refusals };
}

const plain = ({ votes, reveals }: Outcome) => ({
  votes: Object.fromEntries([...votes].map(([name, { digest }]) => [name, digest])),
  reveals: Object.fromEntries([...reveals].map(([name, { digest }]) => [name, digest])),
});

describe('votes and reveals', () => {
  test('of authorities that are not faulty come to all of them', () => {
    const { outcomes, refusals } = simulate([], [], [0.5]);
    expect(refusals).toEqual([]);
    for (const outcome of outcomes) {
      expect([...outcome.votes.keys()]).toEqual(honestNames);
      expect([...outcome.reveals.values()].map(({ value }) => value.value)).toEqual(honest.map(chance));
    }
  });

  test('are the same to all that are not faulty, whatever the others do, and theirs are among them', () => {
    const move = fc.record({
      part: fc.constantFrom<Part>('vote', 'reveal'),
      from: fc.constantFrom(...faulty),
      version: fc.nat(2),
      signedBy: fc.subarray(faulty),
      to: fc.nat(1),
      at: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    const share = fc.double({ min: -1, max: 1, noNaN: true });
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(
        fc.array(move, { maxLength: 12 }),
        fc.array(share, { minLength: 5, maxLength: 5 }),
        shares,
        (moves, clocks, delays) => {
          const { outcomes } = simulate(moves, clocks, delays);
          const [first, ...others] = outcomes.map(plain);
          for (const other of others) expect(other).toEqual(first);
          for (const name of honestNames) {
            expect(first?.votes).toHaveProperty([name]);
            expect(first?.reveals).toHaveProperty([name]);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('who says two things to different authorities is found out by all, and has no vote', () => {
    const moves = [1, 2].map(
      (version, to): Move => ({
        part: 'vote',
        from: 0,
        version,
        signedBy: [],
        to,
        at: 0.1,
      }),
    );
    for (const outcome of simulate(moves, [], [0.1]).outcomes) {
      expect(outcome.votes.has('a.test')).toBe(false);
      expect(outcome.doubled.get('a.test')).toHaveLength(2);
    }
  });

  test('what nobody has taken does not count for its own sender either', () => {
    const rounds = roundsOf(0);
    rounds.say('vote', vote(0));
    take(rounds, 'vote', vote(1), rounds.dueMs.vote);
    expect([...rounds.outcome().votes.keys()]).toEqual(['b.test']);
    rounds.heard('vote');
    rounds.say('reveal', reveal(0));
    expect([...rounds.outcome().votes.keys()]).toEqual(['a.test', 'b.test']);
    expect([...rounds.outcome().reveals.keys()]).toEqual([]);
    rounds.heard('reveal');
    expect([...rounds.outcome().reveals.keys()]).toEqual(['a.test']);
  });

  test('what comes in a late round with too few signatures, or once all is closed, is refused', () => {
    const rounds = roundsOf(2);
    const first = vote(0);
    expect(take(rounds, 'vote', first, startMs - 1)).toMatchObject({ reason: 'early' });
    const { vote: dueMs } = rounds.dueMs;
    expect(take(rounds, 'vote', first, dueMs + roundMs)).toMatchObject({ reason: 'late' });
    const two = countersign(first, signers[1] as never);
    expect(take(rounds, 'vote', two, dueMs + 2 * roundMs)).toMatchObject({ reason: 'late' });
    expect(take(rounds, 'vote', two, dueMs + 2 * roundMs - 1)).toMatchObject({ kind: 'new' });
    expect(take(rounds, 'vote', vote(1), rounds.closedMs.vote)).toMatchObject({ reason: 'late' });
    // who asks others for what they pass on is given what is known here long since
    expect(take(rounds, 'vote', two, rounds.closedMs.vote)).toEqual({ kind: 'known' });
    expect(take(rounds, 'reveal', reveal(0), rounds.closedMs.vote - 1)).toMatchObject({ reason: 'early' });
    expect(take(rounds, 'reveal', reveal(0, chance(9)), rounds.dueMs.reveal)).toMatchObject({
      reason: 'not-committed',
    });
    expect(take(rounds, 'reveal', reveal(0), rounds.dueMs.reveal)).toMatchObject({ kind: 'new' });
  });
});
