import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  parseAuthorityKey,
  type Trust,
  type VerifiedConsensus,
  verifyCertificate,
  verifyConsensus,
} from '@postern/protocol/consensus';
import { silentLog, systemRandom } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { type AuthorityDeps, type RunningAuthority, startAuthority } from '../authority.ts';
import { type AuthorityConfig, parseAuthorityConfig } from '../config.ts';
import { makeKeys } from '../keys/make.ts';
import { FakeClock } from './clock.ts';
import { signedNode } from './nodes.ts';

export function configFor(dataDir: string, change: object = {}): AuthorityConfig {
  return parseAuthorityConfig({
    name: 'authority1.test',
    data_dir: dataDir,
    listen: '127.0.0.1:0',
    bootstrap: { nodes: 3 },
    // the nodes of most tests listen nowhere
    probe: false,
    ...change,
  });
}

/** A folder, a clock, and the authorities that a test runs on them; disposing of it ends and removes all. */
export interface Bench extends AsyncDisposable {
  readonly folder: string;
  readonly clock: FakeClock;
  /** Starts an authority in the folder. */
  run(change?: object, deps?: Partial<AuthorityDeps>): Promise<RunningAuthority>;
}

export async function openBench(): Promise<Bench> {
  const folder = await storesFolder('directory');
  const clock = new FakeClock();
  const running: RunningAuthority[] = [];
  return {
    folder,
    clock,
    async run(change = {}, deps = {}) {
      const given = { clock, random: systemRandom, log: silentLog, ...deps };
      const config = configFor(folder, change);
      // tests go on for months, of which no more than one is about keys
      const isNew = !['authority.sqlite', 'authority.vkey'].some((file) => existsSync(join(folder, file)));
      if (isNew) await makeLongKeys(config, clock);
      const authority = await startAuthority(config, given);
      running.push(authority);
      return authority;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((authority) => authority.close()));
      await rm(folder, { recursive: true });
    },
  };
}

async function makeLongKeys(
  { name, dataDir, epochSeconds }: AuthorityConfig,
  clock: FakeClock,
): Promise<void> {
  const now = Math.floor(clock.now() / 1_000);
  await makeKeys({ name, dataDir, epochSeconds, now, days: 300, random: systemRandom });
}

export interface Posted {
  readonly status: number;
  readonly error?: string;
  readonly id?: string;
}

export async function post({ url }: RunningAuthority, body: string, type = 'text/plain'): Promise<Posted> {
  const headers = { 'content-type': type };
  const response = await fetch(`${url}/v1/descriptors`, { method: 'POST', body, headers });
  const { error, id } = (await response.json()) as { error?: string; id?: string };
  return { status: response.status, ...(error !== undefined && { error }), ...(id !== undefined && { id }) };
}

/** Posts mixes of these names; throws unless each is taken. */
export async function register(authority: RunningAuthority, now: number, ...names: string[]): Promise<void> {
  for (const name of names) {
    const { status, error } = await post(authority, signedNode(name, now));
    if (status !== 202) throw new Error(`${name} was refused: ${error}`);
  }
}

export interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export async function get(
  { url }: RunningAuthority,
  path: string,
  headers: Record<string, string> = {},
): Promise<Got> {
  const response = await fetch(`${url}${path}`, { headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** What an authority serves, verified; throws when it does not hold. */
export async function consensusOf(
  authority: RunningAuthority,
  now: number,
  path = '/v1/consensus',
): Promise<Extract<VerifiedConsensus, { kind: 'consensus' }> & { text: string }> {
  const { text } = await get(authority, path);
  const verified = verifyConsensus(text, { ...(await trustIn(authority)), now: Math.floor(now / 1_000) });
  if (verified.kind === 'refused') throw new Error(verified.detail);
  return { ...verified, text };
}

/** What a reader who knows this authority alone goes by, with the certificates that it serves. */
export async function trustIn(authority: RunningAuthority): Promise<Trust> {
  const authorities = [parseAuthorityKey(authority.vkey)];
  const { text } = await get(authority, '/v1/certificates/all');
  const signingKeys = (JSON.parse(text) as string[]).map((signed) => {
    const verified = verifyCertificate(signed, { authorities });
    if (verified.kind === 'refused') throw new Error(verified.detail);
    return verified.key;
  });
  return { authorities, threshold: 1, signingKeys };
}

/** Resolves when the newest consensus is of this epoch. */
export async function issued(authority: RunningAuthority, epoch: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (authority.status().consensus?.epoch !== epoch) {
    if (performance.now() > deadline) throw new Error(`no consensus for epoch ${epoch} was issued`);
    await delay(2);
  }
}
