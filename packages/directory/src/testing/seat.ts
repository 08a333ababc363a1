import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuthorityKey } from '@postern/protocol/consensus';
import { type TestAuthority, testAuthority } from '@postern/protocol/testing';
import { storesFolder } from '@postern/runtime/testing';
import { shortKey } from '../agree/authorities.ts';
import { createLedger, type Ledger } from '../agree/ledger.ts';
import type { Members } from '../agree/members.ts';
import type { Peers } from '../agree/peers.ts';
import { type Alarms, createAlarms } from '../alarms.ts';
import type { Answer } from '../ask.ts';
import { type ConsensusLog, openLog } from '../log/log.ts';
import { openPeerCertificates, type PeerCertificates } from '../peer-certificates.ts';
import { type AuthorityStore, openStore } from '../store.ts';
import { configFor } from './authorities.ts';
import { FakeClock, start } from './clock.ts';
import { keepingLog } from './log.ts';

/** What another authority answers: a text, nothing, or, with `hangs`, not at all; or what somebody else answers there. */
export type Other = (path: string) => Said | Promise<Said>;

type Said = string | undefined | Answer;

/** An authority, the first of several, with what it has, and others that answer as a test wants it. */
export interface Seat extends AsyncDisposable {
  readonly authorities: readonly TestAuthority[];
  readonly members: Members;
  readonly store: AuthorityStore;
  readonly history: ConsensusLog;
  readonly ledger: Ledger;
  readonly alarms: Alarms;
  readonly certificates: PeerCertificates;
  /** Kind and name of each that stands. */
  kinds(): string[];
  /** How the others answer, by name; who has no answer is not there. */
  others: Record<string, Other>;
  readonly peers: Peers;
  /** Who was asked, and what. */
  readonly asked: string[];
  /** Milliseconds: who does not answer takes ten seconds, who does one millisecond. */
  readonly now: () => number;
}

const made = Array.from({ length: 5 }, (_, at) =>
  testAuthority(`authority${at + 1}.test`, { now: Math.floor(start / 1_000) }),
);

export async function openSeat(count = 3, threshold = 2): Promise<Seat> {
  const folder = await storesFolder('seat');
  const store = openStore(join(folder, 'authority.sqlite'));
  const authorities = made.slice(0, count);
  const [own, ...rest] = authorities as [TestAuthority, ...TestAuthority[]];
  const members: Members = {
    name: own.name,
    names: authorities.map(({ name }) => name),
    others: rest.map(({ name, key }) => ({ name, url: `http://${name}`, key })),
    threshold,
    authorities: authorities.map(({ key }) => key),
    signingKeys: authorities.map(({ signingKey }) => signingKey),
    signerFor: () => own,
    validUntil: () => own.signingKey.validUntil,
  };
  const history = openLog(store);
  const alarms = createAlarms(keepingLog().log);
  const ledger = createLedger({ store, history, members, alarms, issued: () => {} });
  const peers = rest.map(({ name, vkey }) => ({ url: `http://${name}`, key: vkey }));
  const certificates = openPeerCertificates(configFor(folder, { peers }), store, new FakeClock());
  const asked: string[] = [];
  let nowMs = start;
  const ask: Peers['ask'] = async (name, path): Promise<Answer> => {
    asked.push(`${name} ${path}`);
    const other = seat.others[name];
    const text = other === undefined ? 'hangs' : await other(path);
    nowMs += text === 'hangs' ? 10_000 : 1;
    if (text === 'hangs') return { kind: 'unreachable', why: 'no answer' };
    if (typeof text === 'object') return text;
    const by = shortKey(authorities.find((one) => one.name === name)?.key as AuthorityKey);
    return { kind: 'answer', status: text === undefined ? 404 : 200, text: text ?? '', date: undefined, by };
  };
  const seat: Seat = {
    authorities,
    members,
    store,
    history,
    ledger,
    alarms,
    certificates,
    kinds: () => alarms.standing.map(({ kind, about }) => `${kind} ${about}`),
    others: {},
    peers: {
      names: rest.map(({ name }) => name),
      ask,
      push() {},
      seen: new Map(),
      [Symbol.asyncDispose]: async () => {},
    },
    asked,
    now: () => nowMs,
    async [Symbol.asyncDispose]() {
      store[Symbol.dispose]();
      await rm(folder, { recursive: true });
    },
  };
  return seat;
}
