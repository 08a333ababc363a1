import type { Answer, Resolver } from '@postern/runtime/dns';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { type Client, type ClientConfig, createClient, type SendRequest } from '../src/index.ts';
import { type Network, startNetwork } from './network.ts';
import { message, type Person, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12);
const toBob = message({ From: 'alice@a.test', To: 'bob@b.test' });

let network: Network;
let asked: string[];
let alice: Person;

/** Says of every name that there is nothing. */
const resolver: Resolver = {
  async resolve(name, type) {
    asked.push(`${name} ${type}`);
    return { kind: 'none', secure: true, ttlSeconds: 300 } as Answer<typeof type>;
  },
};

beforeEach(async () => {
  network = await startNetwork({ now, mixesPerLayer: 1 });
  asked = [];
  alice = await person(network, 'alice@a.test', now);
  await alice.client.domains.pin(network.zones.get('b.test') ?? '');
});

function withConfig(change: (config: ClientConfig) => ClientConfig = (config) => config): Client {
  const config = change(network.config('alice@a.test'));
  const client = createClient({
    paths: alice.client.paths,
    config: { ...config, keys: { ...config.keys, lookup: 'always' } },
    clock: alice.clock,
    resolver,
  });
  onTestFinished(() => client[Symbol.asyncDispose]());
  return client;
}

async function codes(client: Client, mail: Uint8Array, request: SendRequest = {}): Promise<string[]> {
  const outcome = await client.send(mail, request);
  return outcome.kind === 'refused' ? outcome.problems.map(({ code }) => code) : [];
}

const lookups = (): string[] => asked.filter((each) => each.includes('OPENPGPKEY'));

test('as it stands the key would be looked up', async () => {
  expect(await codes(withConfig(), toBob)).toEqual(['no-recipient-key']);
  expect(lookups()).toHaveLength(1);
});

test.each<[string, SendRequest, string]>([
  ['a misspelt exclusion', { constraints: { exclude: ['mix-nine.test'] } }, 'unknown-mix'],
  ['no path', { constraints: { exclude: ['m1-0.test'] } }, 'no-route'],
  ['a delay that is too long', { meanDelayMs: 80_000_000 }, 'delay-too-long'],
])('nobody is asked about a message that is refused for %s', async (_what, request, code) => {
  expect(await codes(withConfig(), toBob, request)).toContain(code);
  expect(asked).toEqual([]);
});

test('nobody is asked in auto for want of a consensus', async () => {
  alice.clock.ms = network.consensus.validUntil * 1000;
  expect(await codes(withConfig(), toBob, { mode: 'auto' })).toContain('no-consensus');
  expect(asked).toEqual([]);
});

test('the first recipient who stays without a key ends the looking up', async () => {
  const three = message({ From: 'alice@a.test', To: 'bob@b.test, carol@b.test, dave@b.test' });
  expect(await codes(withConfig(), three)).toEqual([
    'no-recipient-key',
    'no-recipient-key',
    'no-recipient-key',
  ]);
  expect(lookups()).toHaveLength(1);
});

test('nobody is asked for files that an account would not take', async () => {
  const client = withConfig((config) => ({
    ...config,
    submission: {
      kind: 'account',
      host: '127.0.0.1',
      port: 9,
      implicitTls: false,
      tls: { kind: 'web', names: ['mail.p.test'] },
      user: 'alice',
      password: { kind: 'ask' },
    },
  }));
  const request = { directory: alice.home, mode: 'direct' } as const;
  await expect(client.wrap(toBob, request)).rejects.toMatchObject({ code: 'wrong-use' });
  expect(asked).toEqual([]);
});
