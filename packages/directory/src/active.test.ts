import {
  type Consensus,
  isRegistered,
  parseAuthorityKey,
  verifyDescriptor,
} from '@postern/protocol/consensus';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { audit } from './audit/audit.ts';
import type { RunningAuthority } from './authority.ts';
import type { Proof } from './registration.ts';
import { type Bench, consensusOf, get, issued, openBench, post } from './testing/authorities.ts';
import { epochSeconds, start } from './testing/clock.ts';
import { openCouncil } from './testing/council.ts';
import { signedNode } from './testing/nodes.ts';

const hour = epochSeconds * 1_000;
const epoch = Math.floor(start / hour);
const names = Array.from({ length: 9 }, (_, at) => `mix${at}.test`);
const width = { least: 1, most: 5, packets_per_mix: 1_000 };

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

const active = ({ nodes }: Consensus): string[] =>
  nodes.filter(({ layer }) => layer > 0).map(({ name }) => name);
const idOf = (signed: string): string => {
  const verified = verifyDescriptor(signed);
  return verified.kind === 'descriptor' ? verified.id : '';
};
const announce = async (authority: RunningAuthority, load: (name: string) => number): Promise<void> => {
  for (const name of names) {
    const body = signedNode(name, bench.clock.now(), { load: load(name) });
    expect(await post(authority, body)).toMatchObject({ status: 202 });
  }
};

describe('the active set', () => {
  test('grows with what those who were active say that they had, and an audit comes to the same', async () => {
    const authority = await bench.run({ width, bootstrap: { nodes: 9 } });
    await announce(authority, () => 0);
    const first = await consensusOf(authority, bench.clock.now());
    expect(active(first.consensus)).toHaveLength(3);
    bench.clock.moveTo((epoch + 1) * hour);
    await issued(authority, epoch + 1);
    const second = await consensusOf(authority, bench.clock.now());
    expect(active(second.consensus)).toHaveLength(3);
    // three mixes of three layers had 2048 packets each: two mixes are not enough
    const drawn = active(first.consensus);
    await announce(authority, (name) => (drawn.includes(name) ? 12 : 33));
    bench.clock.moveTo((epoch + 2) * hour);
    await issued(authority, epoch + 2);
    const third = await consensusOf(authority, bench.clock.now());
    expect(active(third.consensus)).toHaveLength(9);
    const by = { authorities: [parseAuthorityKey(authority.vkey)], threshold: 1 };
    const now = Math.floor(bench.clock.now() / 1_000);
    const report = await audit({ ...by, urls: [authority.url], now, timeoutMs: 5_000, signal: undefined });
    expect(report).toMatchObject({ audited: [{ verified: 3, recounted: 3 }], findings: [] });
  });

  test('is what most authorities would have it be', async () => {
    await using council = await openCouncil(3);
    for (const at of [0, 1, 2]) await council.start(at, { width: { ...width, least: at === 2 ? 3 : 1 } });
    await council.register(...names);
    await council.untilHolds(
      () => council.members.every(({ running }) => running?.status().consensus?.epoch === epoch),
      hour,
    );
    const [first, , third] = council.members.map(({ running }) => running as RunningAuthority);
    const { text } = await get(third as RunningAuthority, `/v1/consensus/${epoch}`);
    expect(text).toContain('"width":{"least":1,"most":5,"perMix":1000}');
    expect(first?.status().alarms).toMatchObject([{ kind: 'other-width', about: 'authority3.test' }]);
    expect(third?.status().alarms.map(({ kind }) => kind)).toEqual(['other-width', 'other-width']);
    // whoever has counted it can show who stands
    const shown = await Promise.all(
      names.map((name) =>
        get(first as RunningAuthority, `/v1/registered/${idOf(signedNode(name, council.clock.now()))}`),
      ),
    );
    expect(shown.map(({ status }) => status).sort()).toEqual([...Array(6).fill(200), ...Array(3).fill(404)]);
  });
});

describe('a node that was not drawn', () => {
  const register = async (): Promise<RunningAuthority> => {
    const authority = await bench.run({ width, bootstrap: { nodes: 9 } });
    await announce(authority, () => 0);
    return authority;
  };

  test('is shown to be counted by a proof that leads to what the consensus names', async () => {
    const authority = await register();
    const { consensus, digest } = await consensusOf(authority, bench.clock.now());
    expect(consensus.rest.count).toBe(6);
    for (const name of names.filter((one) => !active(consensus).includes(one))) {
      const signed = signedNode(name, bench.clock.now());
      const { status, text } = await get(authority, `/v1/registered/${idOf(signed)}`);
      expect(status).toBe(200);
      const { id, descriptor, at, proof, ...of } = JSON.parse(text) as Proof;
      expect(of).toEqual({ epoch, consensus: digest });
      expect(isRegistered({ id, digest: descriptor }, consensus.rest, { at, proof })).toBe(true);
      expect((await get(authority, `/v1/descriptors/${descriptor}`)).text).toBe(signed);
    }
  });

  test('is told apart from one that was, from one that nobody knows, and from what is no id', async () => {
    const authority = await register();
    const { consensus } = await consensusOf(authority, bench.clock.now());
    const ask = async (id: string | undefined): Promise<unknown> => {
      const { status, text } = await get(authority, `/v1/registered/${id}`);
      return [status, (JSON.parse(text) as { error?: string }).error];
    };
    expect(await ask(consensus.nodes[0]?.id)).toEqual([404, 'in-consensus']);
    expect(await ask('ab'.repeat(32))).toEqual([404, 'not-registered']);
    expect(await ask('AB')).toEqual([400, 'malformed']);
  });

  test('is counted among those that the next consensus waits for', async () => {
    const authority = await register();
    const few = names.slice(0, 3);
    bench.clock.moveTo((epoch + 3) * hour);
    for (const name of few) await post(authority, signedNode(name, bench.clock.now()));
    expect(authority.status().heldUp?.reason).toBe('few-nodes');
  });
});

describe('registering', () => {
  const at = (): number => bench.clock.now();
  const seconds = Math.floor(start / 1_000);

  test('takes a new signing key, and then none that was certified before it', async () => {
    const authority = await bench.run();
    const renewed = { validAfter: seconds - 10, validUntil: seconds + hour };
    const first = signedNode('mix1.test', at());
    expect(await post(authority, first)).toMatchObject({ status: 202 });
    bench.clock.advance(1_000);
    const next = signedNode('mix1.test', at(), {}, 'mix1.test', renewed);
    expect(await post(authority, next)).toMatchObject({ status: 202, id: idOf(first) });
    bench.clock.advance(1_000);
    const stolen = signedNode('mix1.test', at());
    expect(await post(authority, stolen)).toMatchObject({ status: 409, error: 'older-certificate' });
    bench.clock.advance(1_000);
    const again = signedNode('mix1.test', at(), {}, 'mix1.test', renewed);
    expect(await post(authority, again)).toMatchObject({ status: 202 });
  });

  test('refuses a signing key that is past', async () => {
    const authority = await bench.run();
    const past = signedNode('mix1.test', at(), {}, 'mix1.test', { validUntil: seconds });
    expect(await post(authority, past)).toMatchObject({ status: 400, error: 'bad-certificate' });
  });
});
