import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { join as joinFragments } from '@postern/protocol/envelope';
import { expect, test } from 'vitest';
import { type ClientOptions, createClient, type SendOutcome } from '../src/index.ts';
import { folder } from './folder.ts';
import { givePassword, type Msa, startMsa } from './msa.ts';
import { type Network, type NetworkOptions, startNetwork } from './network.ts';
import { introduce, message, type Person, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12, 34, 56);
const toBob = message({ From: 'alice@a.test', To: 'bob@b.test' });

interface Scene {
  readonly network: Network;
  readonly msa: Msa;
  readonly alice: Person;
  readonly bob: Person;
}

async function scene(
  send: Parameters<Msa['into']>[1] = {},
  options: Partial<NetworkOptions> & { implicitTls?: boolean; client?: Partial<ClientOptions> } = {},
): Promise<Scene> {
  const network = await startNetwork({ now, mixesPerLayer: 1, ...options });
  const msa = await startMsa(options);
  const alice = await person(network, 'alice@a.test', now, {
    config: msa.into(network.config('alice@a.test'), send),
    password: givePassword,
    ...options.client,
  });
  const bob = await person(network, 'bob@b.test', now);
  await introduce(network, alice, bob);
  return { network, msa, alice, bob };
}

function sent(outcome: SendOutcome): Extract<SendOutcome, { kind: 'sent' }> {
  if (outcome.kind === 'sent') return outcome;
  throw new Error(outcome.problems.map((problem) => problem.message).join('; '));
}

test.each([
  ['over STARTTLS', false],
  ['over implicit TLS', true],
])('packets go to the own gateway %s, for their first mixes, by one token', async (_, implicitTls) => {
  const { network, msa, alice, bob } = await scene({}, { implicitTls });
  const long = message({ From: 'alice@a.test', To: 'bob@b.test' }, `${'x'.repeat(70)}\r\n`.repeat(1000));
  const outcome = sent(await alice.client.send(long));
  const packets = outcome.recipients[0]?.packets ?? 0;
  expect(packets).toBeGreaterThan(1);
  expect(outcome).toMatchObject({ submitted: packets, pending: 0 });
  expect(network.packets()).toEqual([]);
  const [first] = network.mixes;
  for (const carriage of msa.handed) {
    expect(carriage).toMatchObject({
      returnPath: 'alice@a.test',
      recipient: `secure@${first?.entry.name}`,
      fromDomain: 'a.test',
      toDomain: first?.entry.name,
      tlsOptional: false,
    });
  }
  expect(new Set(msa.handed.map(({ id }) => id)).size).toBe(1);
  expect(new Set(msa.logins)).toEqual(new Set(['alice']));
  const fragments = await Promise.all(
    msa.handed.map(({ bytes }) => network.unwrap(network.through(first?.entry.id ?? '', bytes))),
  );
  const joined = joinFragments(fragments);
  expect(joined.kind === 'joined' && (await bob.client.open(joined.sealed))).toMatchObject({
    kind: 'opened',
    vouched: true,
  });
});

test('without a gateway no first mix is shown the token of what was made for one', async () => {
  const { network, alice } = await scene();
  const long = message({ From: 'alice@a.test', To: 'bob@b.test' }, `${'x'.repeat(70)}\r\n`.repeat(1000));
  sent(await alice.client.send(long, { timeoutMs: 0 }));
  const { paths } = alice.client;
  const later = createClient({ paths, config: network.config('alice@a.test'), clock: alice.clock });
  expect(await later.flush()).toMatchObject({ pending: 0 });
  await later[Symbol.asyncDispose]();
  const ids = network.mixes.flatMap((mix) => mix.ids);
  expect(ids.length).toBeGreaterThan(1);
  expect(new Set(ids).size).toBe(ids.length);
});

test('direct: envelopes for the domain, known by the token, and no consensus is needed', async () => {
  const { network, msa, alice, bob } = await scene({ mode: 'direct' });
  const { directory } = network.config('alice@a.test');
  const config = {
    ...msa.into(network.config('alice@a.test'), { mode: 'direct' }),
    directory: { ...directory, urls: ['http://127.0.0.1:9'] },
  };
  const { paths } = alice.client;
  await using client = createClient({ paths, config, clock: alice.clock, password: givePassword });
  const outcome = sent(await client.send(toBob));
  expect(outcome).toMatchObject({ submitted: 1, pending: 0 });
  expect(outcome.recipients).toEqual([
    {
      mailbox: 'bob@b.test',
      key: { fingerprint: expect.any(String), source: 'file', since: '2026-01-01' },
      record: { fingerprint: expect.any(String), vouchedBy: 'pinned', from: 'file' },
      packets: 1,
      mode: 'direct',
      why: 'as configured',
      tlsOptional: false,
      reports: true,
      paths: [],
    },
  ]);
  const [carriage] = msa.handed;
  expect(carriage).toMatchObject({ recipient: 'secure@b.test', fromDomain: 'a.test', tlsOptional: false });
  const fragment = await network.unwrap({ domain: 'b.test', unit: carriage?.bytes ?? new Uint8Array() });
  expect(fragment.recipient).toBe('bob@b.test');
  const joined = joinFragments([fragment]);
  expect(joined.kind === 'joined' && (await bob.client.open(joined.sealed))).toMatchObject({
    kind: 'opened',
    vouched: true,
  });
});

test.each([
  ['prefer', 'prefer', true],
  ['prefer', 'require', false],
  ['require', 'prefer', false],
] as const)('direct: an author who says %s and a domain that says %s', async (wish, tls, optional) => {
  const { msa, alice } = await scene({ mode: 'direct', tls: wish }, { tls });
  const outcome = sent(await alice.client.send(toBob));
  expect(outcome.recipients[0]?.tlsOptional).toBe(optional);
  expect(msa.handed[0]?.tlsOptional).toBe(optional);
});

test('through mixes TLS is never optional', async () => {
  const { msa, alice } = await scene({ mode: 'auto', tls: 'prefer' }, { tls: 'prefer' });
  expect(sent(await alice.client.send(toBob)).recipients[0]).toMatchObject({
    mode: 'mix',
    why: 'b.test takes mail through mixes',
    tlsOptional: false,
  });
  expect(msa.handed[0]?.tlsOptional).toBe(false);
});

test('auto: each recipient on the way that their domain takes', async () => {
  const { network, msa, alice, bob } = await scene(
    { mode: 'auto' },
    { domains: ['a.test', 'b.test', 'c.test', 'd.test'], mixFor: (domain) => domain !== 'c.test' },
  );
  const carol = await person(network, 'carol@c.test', now);
  const dave = await person(network, 'dave@d.test', now);
  await introduce(network, alice, bob, carol, dave);
  const { consensus } = network;
  network.consensus = {
    ...consensus,
    nodes: consensus.nodes.map((node) =>
      node.roles.includes('delivery') ? { ...node, domains: ['a.test', 'b.test', 'c.test'] } : node,
    ),
  };
  const to = message({ From: 'alice@a.test', To: 'bob@b.test, carol@c.test, dave@d.test' });
  const { recipients } = sent(await alice.client.send(to));
  expect(recipients.map(({ mailbox, mode, why }) => [mailbox, mode, why])).toEqual([
    ['bob@b.test', 'mix', 'b.test takes mail through mixes'],
    ['carol@c.test', 'direct', 'c.test takes no mail through mixes'],
    ['dave@d.test', 'direct', 'no gateway of the consensus serves d.test'],
  ]);
  const mix = network.mixes.find(({ entry }) => entry.layer === 1)?.entry.name;
  expect(msa.handed.map(({ recipient }) => recipient).sort()).toEqual(
    [`secure@${mix}`, 'secure@c.test', 'secure@d.test'].sort(),
  );
  expect(await alice.client.send(to, { mode: 'mix' })).toMatchObject({
    kind: 'refused',
    problems: [
      { code: 'domain-takes-no-mix', hint: expect.stringContaining('--mode direct') },
      { code: 'domain-not-served', hint: expect.stringContaining('--mode direct') },
    ],
  });
});

test('auto goes direct to no one for want of a consensus', async () => {
  const { network, msa, alice } = await scene();
  const { directory } = network.config('alice@a.test');
  const config = {
    ...msa.into(network.config('alice@a.test'), { mode: 'auto' }),
    directory: { ...directory, urls: ['http://127.0.0.1:9'] },
  };
  const { paths } = alice.client;
  await using client = createClient({ paths, config, clock: alice.clock, password: givePassword });
  expect(await client.send(toBob)).toMatchObject({ kind: 'refused', problems: [{ code: 'no-consensus' }] });
});

test('direct needs a gateway of the own domain', async () => {
  const network = await startNetwork({ now, mixesPerLayer: 1 });
  const alice = await person(network, 'alice@a.test', now);
  await introduce(network, alice, await person(network, 'bob@b.test', now));
  expect(await alice.client.send(toBob, { mode: 'direct' })).toMatchObject({
    kind: 'refused',
    problems: [{ code: 'no-own-gateway', hint: expect.stringContaining('[submission]') }],
  });
});

test('envelopes that wait for a gateway that is configured no more are held, and told', async () => {
  const { network, alice } = await scene({ mode: 'direct' });
  sent(await alice.client.send(toBob, { timeoutMs: 0 }));
  const { paths } = alice.client;
  await using later = createClient({ paths, config: network.config('alice@a.test'), clock: alice.clock });
  expect(await later.outbox.list()).toMatchObject([{ packets: 1, envelopes: 1 }]);
  expect(await later.flush()).toMatchObject({
    pending: 1,
    held: [{ reason: 'no-gateway', packets: 1, envelopes: 1 }],
  });
});

test('a gateway that is not the one of the configuration gets no password', async () => {
  const { network, msa } = await scene();
  const config = msa.into(network.config('carol@a.test'));
  const carol = await person(network, 'carol@a.test', now, {
    config: { ...config, submission: { ...msa.submission, tls: { kind: 'pin', pins: ['ab'.repeat(32)] } } },
    password: givePassword,
  });
  await introduce(network, carol, await person(network, 'bob@b.test', now));
  expect(await carol.client.send(message({ From: 'carol@a.test', To: 'bob@b.test' }))).toMatchObject({
    pending: 1,
    held: [{ reason: 'untrusted', node: '127.0.0.1', packets: 1 }],
  });
  expect(msa.logins).toEqual([]);
});

test('a wrong password is told, and asked for anew', async () => {
  const asked: string[] = [];
  const answers = ['rabbit hole', await givePassword()];
  const password: ClientOptions['password'] = async ({ user, server }) => {
    asked.push(`${user} ${server}`);
    return answers.shift() ?? '';
  };
  const { msa, alice } = await scene({}, { client: { password } });
  expect(await alice.client.send(toBob)).toMatchObject({
    pending: 1,
    held: [{ reason: 'no-login', node: '127.0.0.1', packets: 1 }],
  });
  expect(await alice.client.flush()).toMatchObject({ submitted: 1, pending: 0 });
  expect(asked).toEqual(['alice 127.0.0.1', 'alice 127.0.0.1']);
  expect(msa.handed).toHaveLength(1);
});

test('what the gateway refuses stays', async () => {
  const { msa, alice } = await scene();
  msa.answer = 'refuse';
  expect(await alice.client.send(toBob)).toMatchObject({ pending: 1, held: [{ reason: 'refused' }] });
  msa.answer = 'accept';
  expect(await alice.client.flush()).toMatchObject({ submitted: 1 });
});

test('without a password nothing is stored', async () => {
  const { alice } = await scene({}, { client: { password: undefined as never } });
  await expect(alice.client.send(toBob)).rejects.toMatchObject({ code: 'no-password', exitCode: 77 });
  expect(await readdir(alice.client.paths.outbox).catch(() => [])).toEqual([]);
});

test('the password comes from a file that nobody else may read, or from a command', async () => {
  const { network, msa, alice } = await scene();
  const path = join(await folder(), 'password');
  const script = `process.stdout.write(${JSON.stringify(`${await givePassword()}\nmore`)})`;
  const send = async (password: typeof msa.submission.password): Promise<SendOutcome> => {
    const config = { ...network.config('alice@a.test'), submission: { ...msa.submission, password } };
    await using client = createClient({ paths: alice.client.paths, config, clock: alice.clock });
    return await client.send(toBob);
  };
  await writeFile(path, `${await givePassword()}\r\n`, { mode: 0o600 });
  expect(await send({ kind: 'file', path })).toMatchObject({ submitted: 1 });
  await chmod(path, 0o640);
  await expect(send({ kind: 'file', path })).rejects.toMatchObject({ code: 'exposed' });
  expect(await send({ kind: 'command', command: [process.execPath, '-e', script] })).toMatchObject({
    submitted: 1,
  });
  for (const command of [
    [process.execPath, '-e', 'process.exit(3)'],
    [process.execPath, '-e', ''],
    [process.execPath, '-e', 'console.log("x".repeat(100_000))'],
    ['/nowhere/pass'],
  ] as [string, ...string[]][])
    await expect(send({ kind: 'command', command })).rejects.toMatchObject({ code: 'no-password' });
});

test('files for another program: carriages with their envelope, and a list', async () => {
  const { network, msa, alice } = await scene({ mode: 'direct' });
  const directory = join(await folder(), 'out');
  const outcome = await alice.client.wrap(toBob, { directory });
  if (outcome.kind === 'refused') throw new Error('refused');
  const [file] = outcome.files;
  expect(outcome.files).toEqual([
    {
      file: expect.stringContaining(join(directory, outcome.id)),
      from: 'alice@a.test',
      to: 'secure@b.test',
      expires: expect.any(Number),
    },
  ]);
  expect(msa.handed).toEqual([]);
  expect(await alice.client.outbox.list()).toEqual([]);
  expect(await readdir(directory)).toEqual([outcome.id]);
  expect(await readdir(alice.client.paths.sent)).toEqual([`${outcome.id}.eml`]);
  expect((await stat(file?.file ?? '')).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(join(directory, outcome.id, 'list.json'), 'utf8'))).toEqual(outcome.files);
  const { openCarriage } = await import('@postern/mail');
  const opened = openCarriage(await readFile(file?.file ?? ''), 32_768);
  if (opened.kind !== 'carriage') throw new Error(opened.kind);
  expect(await readdir(alice.client.paths.returns)).toEqual([`${opened.id}.json`]);
  const fragment = await network.unwrap({ domain: 'b.test', unit: opened.bytes });
  expect(fragment.recipient).toBe('bob@b.test');
});
