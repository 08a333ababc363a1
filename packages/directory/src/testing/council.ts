import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import {
  type CertifiedSigner,
  formatAuthorityKey,
  readConsensus,
  type Trust,
} from '@postern/protocol/consensus';
import { systemRandom } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import type { Exchange } from '../agree/peers.ts';
import { type Answer, ask, type Question } from '../ask.ts';
import { type AuthorityDeps, type RunningAuthority, startAuthority } from '../authority.ts';
import { makeKeys } from '../keys/make.ts';
import { openSigningKeys, type SigningKeys } from '../keys/signing.ts';
import { configFor, get, register } from './authorities.ts';
import { epochSeconds, FakeClock, shifted } from './clock.ts';
import { keepingLog, type Logged } from './log.ts';

/** One of several authorities. */
export interface Member {
  readonly name: string;
  readonly folder: string;
  readonly vkey: string;
  readonly keys: SigningKeys;
  readonly signer: CertifiedSigner;
  readonly lines: Logged[];
  /** While it runs. */
  running: RunningAuthority | undefined;
}

/** What goes from one authority to another; a test may change it, or give an answer itself. */
export interface Letter {
  readonly from: string;
  readonly to: string;
  readonly path: string;
  readonly body: string | undefined;
}

/** What becomes of a letter: how long it takes, milliseconds, and what comes in the place of its body; or it is lost. */
export type Passage =
  | { readonly delayMs?: number; readonly body?: string; readonly answer?: Answer }
  | 'lost';

/** Several authorities on one clock, and the wires between them. Disposing of it ends and removes all. */
export interface Council extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly members: readonly Member[];
  /** What wires do; everything goes through at once unless a test says otherwise. */
  wire: (letter: Letter) => Passage;
  member(at: number): Member;
  /** Starts one, or all that do not run. */
  start(
    at?: number,
    change?: object,
    deps?: Partial<AuthorityDeps> & { readonly aheadMs?: number },
  ): Promise<void>;
  stop(at: number): Promise<void>;
  /** Registers mixes with all that run. */
  register(...names: string[]): Promise<void>;
  /** Lets time pass, from one event to the next, each done with before the next. */
  until(ms: number): Promise<void>;
  /** Lets time pass until something holds; throws when it does not within so many milliseconds. */
  untilHolds(holds: () => boolean, withinMs: number): Promise<void>;
}

export async function openCouncil(count: number, common: object = {}): Promise<Council> {
  const root = await storesFolder('council');
  const clock = new FakeClock();
  const members = await Promise.all(
    Array.from({ length: count }, async (_, at): Promise<Member> => {
      const name = `authority${at + 1}.test`;
      const folder = join(root, name);
      const now = Math.floor(clock.now() / 1_000);
      const made = { name, dataDir: folder, epochSeconds, now, random: systemRandom };
      const { key } = await makeKeys(made);
      const keys = openSigningKeys(key, folder, clock);
      const signer = keys.signerFor(now) as CertifiedSigner;
      return { name, folder, vkey: formatAuthorityKey(key), keys, signer, lines: [], running: undefined };
    }),
  );
  let busy = 0;
  const byName = new Map(members.map((member) => [member.name, member]));

  const exchangeOf = (from: string): Exchange =>
    async function exchange(url: string, question: Question): Promise<Answer> {
      const { hostname: to, pathname, search } = new URL(url);
      const path = `${pathname}${search}`;
      const passage = council.wire({ from, to, path, body: question.body });
      const pause = (ms: number): Promise<void> => clock.wait(clock.now() + ms, question.signal);
      if (passage === 'lost' || byName.get(to)?.running === undefined) {
        await pause(question.timeoutMs);
        return { kind: 'unreachable', why: 'lost on the way' };
      }
      const { delayMs = 0, body = question.body, answer } = passage;
      if (answer !== undefined) return answer;
      if (delayMs > 0) await pause(delayMs);
      const at = byName.get(to)?.running?.url;
      if (at === undefined) return { kind: 'unreachable', why: 'has ended' };
      busy += 1;
      try {
        // a machine that is slow is no fault that a test wants
        return await ask(`${at}${path}`, { ...question, ...(body && { body }), timeoutMs: 60_000 });
      } finally {
        busy -= 1;
      }
    };
  const settled = async (): Promise<void> => {
    for (let quiet = 0; quiet < 4; quiet = busy === 0 ? quiet + 1 : 0) await turn();
  };

  const council: Council = {
    clock,
    members,
    wire: () => ({}),
    member: (at) => members[at] as Member,
    async start(at, change = {}, { aheadMs = 0, ...deps } = {}) {
      const chosen =
        at === undefined ? members.filter(({ running }) => running === undefined) : [council.member(at)];
      for (const member of chosen) {
        const peers = members
          .filter(({ name }) => name !== member.name)
          .map(({ name, vkey }) => ({ url: `http://${name}`, key: vkey }));
        member.running = await startAuthority(
          configFor(member.folder, { name: member.name, peers, ...common, ...change }),
          {
            clock: shifted(clock, aheadMs),
            random: systemRandom,
            log: keepingLog(member.lines).log,
            exchange: exchangeOf(member.name),
            ...deps,
          },
        );
      }
      await settled();
    },
    async stop(at) {
      const member = council.member(at);
      const { running } = member;
      member.running = undefined;
      await running?.close();
    },
    async register(...names) {
      for (const { running } of members) if (running) await register(running, clock.now(), ...names);
    },
    async until(ms) {
      for (;;) {
        await settled();
        const next = clock.next();
        if (next > ms) break;
        clock.moveTo(next);
      }
      clock.moveTo(ms);
      await settled();
    },
    async untilHolds(holds, withinMs) {
      const end = clock.now() + withinMs;
      for (;;) {
        await settled();
        if (holds()) return;
        const next = clock.next();
        if (next > end) throw new Error('it does not come to hold');
        clock.moveTo(next);
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map((_, at) => council.stop(at)));
      await rm(root, { recursive: true });
    },
  };
  return council;
}

/** What their signatures are known by. */
export function trustIn({ members }: Council): Omit<Trust, 'threshold'> {
  return {
    authorities: members.map(({ keys }) => keys.authority),
    signingKeys: members.flatMap(({ keys }) => keys.own().map(({ key }) => key)),
  };
}

/** The consensuses of an epoch that authorities serve, by digest, each with who serves it and who has signed it. */
export async function servedFor(
  council: Council,
  epoch: number,
): Promise<Map<string, { readonly by: string[]; readonly signedBy: readonly string[] }>> {
  const served = new Map<string, { by: string[]; signedBy: readonly string[] }>();
  for (const { name, running } of council.members) {
    if (running === undefined) continue;
    const { status, text } = await get(running, `/v1/consensus/${epoch}`);
    if (status !== 200) continue;
    const read = readConsensus(text, trustIn(council));
    if (read.kind === 'refused') throw new Error(read.detail);
    const known = served.get(read.digest);
    served.set(read.digest, { by: [...(known?.by ?? []), name], signedBy: read.signedBy });
  }
  return served;
}
