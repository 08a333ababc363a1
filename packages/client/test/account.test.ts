import { createGatekeeper, openCarriage, spkiPin, startSmtpServer } from '@postern/mail';
import { defaultGeometry } from '@postern/protocol/packet';
import { expect, onTestFinished, test } from 'vitest';
import { type ClientConfig, createClient, type SubmissionConfig } from '../src/index.ts';
import { selfSigned } from './certificate.ts';
import { type Network, type NetworkOptions, startNetwork } from './network.ts';
import { introduce, message, type Person, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12, 34, 56);
const toBob = message({ From: 'alice@p.test', To: 'bob@b.test' });
const tls = selfSigned();

/** A provider that demands the account's own mailbox in From, and answers as it is told. */
interface Provider {
  readonly submission: SubmissionConfig;
  readonly taken: {
    readonly bytes: Buffer;
    readonly from: string;
    readonly to: string;
    readonly requireTls: boolean;
  }[];
  busy: number;
}

async function startProvider(requireTls: boolean): Promise<Provider> {
  const taken: Provider['taken'] = [];
  const state = { busy: 0 };
  const server = await startSmtpServer({
    listen: { host: '127.0.0.1', port: 0 },
    hostname: 'mail.p.test',
    tls,
    maxBytes: 100_000,
    maxRecipients: 1,
    requireTls,
    accepts: () => true,
    auth: createGatekeeper({
      authenticate: async () => ({ kind: 'author', mailbox: 'alice@p.test' }),
      limits: { delayMs: 0 },
    }),
    async onMessage({ bytes, from, recipient, requireTls }) {
      if (state.busy > 0) {
        state.busy -= 1;
        return { kind: 'deferred', text: 'too many for today' };
      }
      const text = Buffer.from(bytes).toString('latin1');
      if (!/^From: <alice@p\.test>\r$/m.test(text))
        return { kind: 'rejected', code: 550, enhanced: '5.7.1', text: 'not your mailbox' };
      taken.push({ bytes: Buffer.from(bytes), from, to: recipient, requireTls });
      return { kind: 'accepted' };
    },
  });
  onTestFinished(() => server.close());
  const submission: SubmissionConfig = {
    kind: 'account',
    ...server.address,
    implicitTls: false,
    tls: { kind: 'pin', pins: [spkiPin(tls.cert)] },
    user: 'alice',
    password: { kind: 'ask' },
  };
  return Object.assign(state, { submission, taken });
}

interface Scene {
  readonly network: Network;
  readonly provider: Provider;
  readonly alice: Person;
}

async function scene(
  send: Partial<ClientConfig['send']>,
  {
    requireTls = false,
    open = true,
    ...options
  }: Partial<NetworkOptions> & { requireTls?: boolean; open?: boolean } = {},
): Promise<Scene> {
  const network = await startNetwork({ now, domains: ['b.test'], mixesPerLayer: 2, ...options });
  // The second mix of the first layer is where ordinary mail finds it, if any is.
  const nodes = network.consensus.nodes.map((node) =>
    open && node.name === 'm1-1.test' ? { ...node, smtp: { host: 'm1-1.test', port: 25 } } : node,
  );
  network.consensus = { ...network.consensus, nodes };
  const provider = await startProvider(requireTls);
  const config = network.config('alice@p.test');
  const alice = await person(network, 'alice@p.test', now, {
    config: { ...config, send: { ...config.send, ...send }, submission: provider.submission },
    password: async () => 'hers',
  });
  await introduce(network, alice, await person(network, 'bob@b.test', now));
  return { network, provider, alice };
}

test('packets go by the account, from its mailbox, each with an id of its own, to a first mix that ordinary mail finds', async () => {
  const { network, provider, alice } = await scene({});
  const long = message({ From: 'alice@p.test', To: 'bob@b.test' }, `${'x'.repeat(70)}\r\n`.repeat(1500));
  provider.busy = 1;
  const sent = alice.client.send(long);
  const outcome = await sent;
  expect(outcome).toMatchObject({
    kind: 'sent',
    pending: 0,
    account: 'alice@p.test',
    recipients: [{ mode: 'mix', reports: false }],
  });
  expect(provider.taken.length).toBeGreaterThan(1);
  const first = network.mixes.find(({ entry }) => entry.name === 'm1-1.test')?.entry.id ?? '';
  for (const { bytes, from, to, requireTls } of provider.taken) {
    expect({ from, to, requireTls }).toEqual({
      from: 'alice@p.test',
      to: 'secure@m1-1.test',
      requireTls: false,
    });
    const opened = openCarriage(bytes, defaultGeometry.packetBytes);
    if (opened.kind !== 'account') throw new Error(opened.kind);
    const fragment = await network.unwrap(network.through(first, opened.bytes));
    expect(fragment.recipient).toBe('bob@b.test');
    expect(fragment.returnInfo).toHaveLength(0);
  }
  const of = (part: RegExp): Set<string | undefined> =>
    new Set(provider.taken.map(({ bytes }) => part.exec(bytes.toString('latin1'))?.[0]));
  expect(of(/^Message-ID: .*/m).size).toBe(provider.taken.length);
  expect(new Set(provider.taken.map(({ bytes }) => bytes.length)).size).toBe(1);
});

test('without a first mix that ordinary mail finds nothing is stored, and it is said why', async () => {
  const { provider, alice } = await scene({}, { open: false });
  expect(await alice.client.send(toBob)).toMatchObject({
    kind: 'refused',
    problems: [
      {
        code: 'no-route',
        message: expect.stringContaining('by ordinary mail'),
        hint: expect.stringContaining('--mode direct'),
      },
    ],
  });
  expect(provider.taken).toEqual([]);
  expect(await alice.client.outbox.list()).toEqual([]);
  const { explanation, problems } = await alice.client.route();
  expect(explanation.refused).toMatchObject({ reason: 'empty-layer', layer: 1 });
  expect(explanation.layers[0]?.excluded).toMatchObject([
    { name: 'm1-0.test', why: 'not-by-account' },
    { name: 'm1-1.test', why: 'not-by-account' },
  ]);
  expect(problems).toMatchObject([{ code: 'no-route', hint: expect.stringContaining('--mode direct') }]);
});

test('a constraint of the author that leaves no path is told as such', async () => {
  const { alice } = await scene({});
  const { explanation, problems } = await alice.client.route({ exclude: ['m1-0.test'] });
  expect(problems).toEqual([]);
  expect(explanation.layers[0]?.excluded).toMatchObject([{ name: 'm1-0.test', why: 'excluded' }]);
  expect(
    await alice.client.send(toBob, { constraints: { exclude: ['m2-0.test', 'm2-1.test'] } }),
  ).toMatchObject({
    problems: [{ code: 'no-route', message: expect.stringContaining('layer 2') }],
  });
});

test('require, direct: a provider without REQUIRETLS is given nothing', async () => {
  const { provider, alice } = await scene({ mode: 'direct' }, { tls: 'prefer' });
  expect(await alice.client.send(toBob)).toMatchObject({
    submitted: 0,
    pending: 1,
    held: [{ reason: 'no-requiretls', packets: 1 }],
  });
  expect(provider.taken).toEqual([]);
});

test('require, direct: a provider with REQUIRETLS is asked for it', async () => {
  const { network, provider, alice } = await scene({ mode: 'direct' }, { requireTls: true });
  expect(await alice.client.send(toBob)).toMatchObject({
    submitted: 1,
    pending: 0,
    recipients: [{ mode: 'direct', tlsOptional: false, reports: false }],
  });
  const [taken] = provider.taken;
  expect(taken).toMatchObject({ from: 'alice@p.test', to: 'secure@b.test', requireTls: true });
  const opened = openCarriage(taken?.bytes ?? new Uint8Array(), defaultGeometry.packetBytes);
  if (opened.kind !== 'account') throw new Error(opened.kind);
  expect((await network.unwrap({ domain: 'b.test', unit: opened.bytes })).recipient).toBe('bob@b.test');
});

test('prefer, direct: where author and domain both allow it', async () => {
  const { provider, alice } = await scene({ mode: 'direct', tls: 'prefer' }, { tls: 'prefer' });
  expect(await alice.client.send(toBob)).toMatchObject({ submitted: 1, recipients: [{ tlsOptional: true }] });
  expect(provider.taken).toMatchObject([{ requireTls: false }]);
  const strict = await scene({ mode: 'direct', tls: 'prefer' }, { tls: 'require' });
  expect(await strict.alice.client.send(toBob)).toMatchObject({ held: [{ reason: 'no-requiretls' }] });
});

test('packets that wait for a first mix that ordinary mail does not find are not given to the provider', async () => {
  const { network, provider, alice } = await scene({});
  const { paths } = alice.client;
  const config = network.config('alice@p.test');
  await using without = createClient({ paths, config, clock: alice.clock });
  const pinned = ['m1-0.test', undefined, undefined];
  expect(await without.send(toBob, { constraints: { pinned }, timeoutMs: 0 })).toMatchObject({ pending: 1 });
  expect(await alice.client.flush()).toMatchObject({
    pending: 1,
    held: [{ reason: 'not-by-account', node: 'm1-0.test' }],
  });
  expect(provider.taken).toEqual([]);
  expect(await without.flush()).toMatchObject({ submitted: 1, pending: 0 });
});

test('files are for a gateway, not for an account', async () => {
  const { alice } = await scene({ mode: 'direct' });
  await expect(alice.client.wrap(toBob, { directory: '/nowhere' })).rejects.toMatchObject({
    code: 'wrong-use',
  });
});

test('a preview says who carries it, and that nobody reports', async () => {
  const { alice } = await scene({});
  expect(await alice.client.preview(toBob)).toMatchObject({
    kind: 'planned',
    account: 'alice@p.test',
    recipients: [{ mode: 'mix', reports: false }],
  });
});

test('auto does not choose to show the recipient’s gateway the author’s mailbox', async () => {
  const { network, provider, alice } = await scene({ mode: 'auto' });
  network.consensus = {
    ...network.consensus,
    nodes: network.consensus.nodes.map((node) => ({
      ...node,
      domains: node.domains.map((domain) => domain.replace('b.test', 'c.test')),
    })),
  };
  expect(await alice.client.send(toBob)).toMatchObject({
    kind: 'refused',
    problems: [{ code: 'direct-by-account', hint: expect.stringContaining('--mode direct') }],
  });
  expect(provider.taken).toEqual([]);
  expect(await alice.client.preview(toBob, { mode: 'direct' })).toMatchObject({
    account: 'alice@p.test',
    recipients: [{ mode: 'direct', reports: false }],
  });
});
