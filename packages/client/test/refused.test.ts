import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { consensusDigest, keyEpochsHeld } from '@postern/protocol/consensus';
import { formatZone, makeRecord } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import { appendLeaf, emptyRange, hashOfLeaf, headOf } from '@postern/protocol/log';
import { generateKey } from 'openpgp';
import { beforeEach, expect, test } from 'vitest';
import type { ProblemCode, SendRequest } from '../src/index.ts';
import { type Network, startNetwork } from './network.ts';
import { introduce, message, type Person, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12, 34, 56);
const toBob = message({ From: 'alice@a.test', To: 'bob@b.test' });

let network: Network;
let alice: Person;

beforeEach(async () => {
  network = await startNetwork({ now, mixesPerLayer: 1 });
  alice = await person(network, 'alice@a.test', now);
  await introduce(network, alice, await person(network, 'bob@b.test', now));
});

interface Refused {
  /** Sorted. */
  readonly codes: readonly ProblemCode[];
  readonly text: string;
}

/** Sends, and makes sure that each problem comes with something to do, and that nothing has come of the message anywhere. */
async function refusal(sent: Uint8Array, request: SendRequest = {}): Promise<Refused> {
  const outcome = await alice.client.send(sent, request);
  const problems = outcome.kind === 'refused' ? outcome.problems : [];
  for (const problem of problems) {
    expect(problem.hint).toMatch(/^[A-Z].*\S$/);
    expect(problem.message).not.toBe('');
  }
  for (const directory of [alice.client.paths.outbox, alice.client.paths.sent]) {
    expect(await readdir(directory).catch(() => [])).toEqual([]);
  }
  expect(network.packets()).toEqual([]);
  const codes = problems.map(({ code }) => code).sort();
  return { codes, text: problems.map(({ message: what, hint }) => `${what}\n${hint}`).join('\n') };
}

/** Pins another record for a domain. */
async function pinned(domain: string, change: Partial<Parameters<typeof makeRecord>[0]>): Promise<void> {
  const { certificate } = await generateDomainKey(domain, new Date(now - 3_600_000));
  const record = {
    domain,
    certificate,
    tls: 'require',
    mix: true,
    maxBytes: 1e6,
    expires: now / 1000 + 86_400,
  } as const;
  await alice.client.domains.pin(formatZone(makeRecord({ ...record, ...change })), { replace: true });
}

test('as it stands the message would go', async () => {
  expect(await alice.client.send(toBob)).toMatchObject({ kind: 'sent', submitted: 1 });
});

test('everything that is wrong is told at once', async () => {
  network.consensus = {
    ...network.consensus,
    nodes: network.consensus.nodes.filter((node) => node.layer !== 2),
  };
  const { codes, text } = await refusal(
    message({ From: 'mallory@a.test', To: 'carol@c.test, bob@b.test, dave@c.test' }),
  );
  expect(codes).toEqual([
    'domain-not-pinned',
    'no-recipient-key',
    'no-recipient-key',
    'no-route',
    'not-own-mailbox',
  ]);
  expect(text).toContain('carol@c.test');
  expect(text).toContain('dave@c.test');
  expect(text).toContain('postern keys import');
  expect(text).toContain('postern domain pin');
});

test('a recipient without key', async () => {
  const { codes, text } = await refusal(message({ From: 'alice@a.test', To: 'bob@b.test, rob@b.test' }));
  expect(codes).toEqual(['no-recipient-key']);
  expect(text).toContain('rob@b.test');
});

test('a recipient whose key has expired', async () => {
  const { generateKey } = await import('openpgp');
  const { publicKey } = await generateKey({
    userIDs: [{ email: 'carol@b.test' }],
    type: 'ecc',
    curve: 'ed25519Legacy',
    date: new Date(now - 1000),
    keyExpirationTime: 86_400,
  });
  await alice.client.keys.import(Buffer.from(publicKey));
  alice.clock.ms += 86_400_000;
  network.consensus = shifted(86_400);
  expect((await refusal(message({ From: 'alice@a.test', To: 'carol@b.test' }))).codes).toEqual([
    'unusable-key',
  ]);
});

test('a domain that is not pinned', async () => {
  await alice.client.domains.remove('b.test');
  const { codes, text } = await refusal(toBob);
  expect(codes).toEqual(['domain-not-pinned']);
  expect(text).toContain('b.test');
});

test('a domain whose record has expired', async () => {
  await pinned('b.test', { expires: now / 1000 + 3600 });
  alice.clock.ms += 3_600_000;
  network.consensus = shifted(3600);
  expect((await refusal(toBob)).codes).toEqual(['unusable-record']);
});

test('a domain that takes no mail through mixes, or not so much', async () => {
  await pinned('b.test', { mix: false });
  expect((await refusal(toBob)).codes).toEqual(['domain-takes-no-mix']);
  await pinned('b.test', { maxBytes: 1000 });
  const long = message({ From: 'alice@a.test', To: 'bob@b.test' }, 'x'.repeat(1000));
  expect((await refusal(long)).codes).toEqual(['too-large']);
});

test('a domain without gateway', async () => {
  network.consensus = {
    ...network.consensus,
    nodes: network.consensus.nodes.filter((node) => node.layer > 0),
  };
  expect((await refusal(toBob)).codes).toEqual(['domain-not-served']);
  expect(await alice.client.send(toBob)).toMatchObject({
    problems: [{ hint: expect.stringMatching(/^Is the name right\?(?!.*--mode direct)/) }],
  });
});

test('more than 25 MB', async () => {
  const header = { From: 'alice@a.test', To: 'bob@b.test', Date: 'x', 'Message-ID': '<x@a.test>' };
  const room = 25_000_000 - message(header, '').length;
  const { codes, text } = await refusal(message(header, 'x'.repeat(room + 1)));
  expect(codes).toEqual(['too-large']);
  expect(text).toContain('25000001');
});

test('no consensus, an expired one, one that too few have signed: nothing goes without', async () => {
  alice.clock.ms = network.consensus.validUntil * 1000;
  const { codes, text } = await refusal(toBob);
  expect(codes).toEqual(['no-consensus']);
  expect(text).toMatch(/clock/);
  const { client } = await person(network, 'alice@a.test', now, {
    config: {
      ...network.config('alice@a.test'),
      directory: { ...network.config('').directory, urls: ['http://127.0.0.1:9'] },
    },
  });
  const outcome = await client.send(toBob);
  expect(outcome).toMatchObject({ kind: 'refused' });
  expect(outcome.kind === 'refused' && outcome.problems).toContainEqual(
    expect.objectContaining({ code: 'no-consensus', exitCode: 75 }),
  );
});

test('a consensus that was seen fresh and is expired when the outbox is flushed: packets wait', async () => {
  expect(await alice.client.send(toBob, { timeoutMs: 0 })).toMatchObject({ pending: 1 });
  alice.clock.ms = network.consensus.validUntil * 1000;
  expect(await alice.client.flush({ timeoutMs: 5000 })).toMatchObject({
    submitted: 0,
    pending: 1,
    waiting: [{ reason: 'no-consensus', packets: 1 }],
  });
  expect(network.packets()).toEqual([]);
});

test('an outbox that cannot be written', async () => {
  const { sent } = alice.client.paths;
  await mkdir(dirname(sent), { recursive: true });
  await writeFile(sent, '');
  await expect(alice.client.send(toBob)).rejects.toMatchObject({ code: 'disk', exitCode: 75 });
  expect(network.packets()).toEqual([]);
});

test('an author without key', async () => {
  const { codes } = await refusal(message({ From: 'alice2@a.test', To: 'bob@b.test' }), {
    as: 'alice2@a.test',
  });
  expect(codes).toEqual(['no-own-key']);
});

test('an author whose key has expired is told so, and no passphrase is asked for', async () => {
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ email: 'alice@a.test' }],
    date: new Date(now - 7_200_000),
    keyExpirationTime: 9_000,
    passphrase: 'never asked for',
    format: 'armored',
  });
  await alice.client.keys.import(Buffer.from(privateKey), { replace: true });
  alice.clock.ms += 3_000_000;
  network.consensus = { ...network.consensus, ...shifted(3600), nodes: network.consensus.nodes };
  const { codes, text } = await refusal(toBob);
  expect(codes).toContain('unusable-own-key');
  expect(codes).not.toContain('unusable-key');
  expect(text).toMatch(/your own key of alice@a\.test expired on/);
});

test('constraints that leave no path', async () => {
  const { codes, text } = await refusal(toBob, { constraints: { pinned: ['m2-0.test'] } });
  expect(codes).toEqual(['no-route']);
  expect(text).toMatch(/layer 1/);
});

test('a delay that outlasts the mixes’ keys', async () => {
  expect((await refusal(toBob, { meanDelayMs: 3_600_000 })).codes).toEqual(['delay-too-long']);
});

test.each<[string, Uint8Array, ProblemCode]>([
  ['to no one', message({ From: 'alice@a.test' }), 'no-recipient'],
  ['to what is no mailbox', message({ From: 'alice@a.test', To: 'bob' }), 'bad-recipient'],
  ['to a quoted mailbox', message({ From: 'alice@a.test', To: '"bob smith"@b.test' }), 'bad-recipient'],
  ['from two', message({ From: 'alice@a.test, bob@b.test', To: 'bob@b.test' }), 'bad-message'],
  ['with two From', message({ From: 'alice@a.test', from: 'alice@a.test', To: 'bob@b.test' }), 'bad-message'],
  ['with two To', message({ From: 'alice@a.test', To: 'bob@b.test', to: 'bob@b.test' }), 'bad-recipient'],
  ['with two Bcc', message({ From: 'alice@a.test', Bcc: 'bob@b.test', bcc: 'bob@b.test' }), 'bad-recipient'],
  ['from no one', message({ To: 'bob@b.test' }), 'bad-message'],
  [
    'with a recipient behind a CR in its subject',
    Buffer.from('From: alice@a.test\r\nTo: bob@b.test\r\nSubject: x\rBcc: evil@evil.test\r\n\r\nhi\r\n'),
    'bad-message',
  ],
  [
    'with a recipient behind a LF in its subject',
    Buffer.from('From: alice@a.test\r\nTo: bob@b.test\r\nSubject: x\nBcc: evil@evil.test\r\n\r\nhi\r\n'),
    'bad-message',
  ],
  ['without header', Buffer.from('hello\r\n'), 'bad-message'],
  ['with a NUL', message({ From: 'alice@a.test', To: 'bob@b.test' }, 'a\0b'), 'bad-message'],
  [
    'with two subjects',
    message({ From: 'alice@a.test', To: 'bob@b.test', Subject: 'a', subject: 'b' }),
    'bad-message',
  ],
])('a message %s', async (_what, sent, code) => {
  expect((await refusal(sent)).codes).toEqual([code]);
});

test.each<[string, Record<string, string>, string?]>([
  ['with a NUL', {}, 'a\0b'],
  ['with two subjects', { Subject: 'a', subject: 'b' }],
  ['that bears marks of protection', { 'HP-Outer': 'Subject: x' }],
  // To that the outer header is added.
  ['with a header that only just ends', { Subject: Array(5_189).fill('x'.repeat(98)).join('\r\n ') }],
])(
  'a message %s is told before any passphrase is asked for, with whatever else is wrong',
  async (_what, fields, body) => {
    const asked: string[] = [];
    const carol = await person(network, 'carol@a.test', now, {
      passphrase: async ({ owner }) => {
        asked.push(owner);
        return 'secret';
      },
    });
    await introduce(network, carol, await person(network, 'bob@b.test', now));
    await carol.client.keys.generate('carol@a.test', { passphrase: 'secret' }, { replace: true });
    const to = (recipients: string): Uint8Array =>
      message({ From: 'carol@a.test', To: recipients, ...fields }, body);
    expect(await carol.client.send(to('bob@b.test'))).toMatchObject({
      kind: 'refused',
      problems: [{ code: 'bad-message', exitCode: 65 }],
    });
    expect(await carol.client.send(to('bob@b.test, rob@b.test'))).toMatchObject({
      kind: 'refused',
      problems: [{ code: 'bad-message' }, { code: 'no-recipient-key' }],
    });
    expect(asked).toEqual([]);
  },
);

test('a wrong pin: nothing is given to it, and nothing is lost', async () => {
  const wrong = network.consensus.nodes.map((node) =>
    node.layer === 1 ? { ...node, tlsPins: ['ab'.repeat(32)] } : node,
  );
  const right = network.consensus;
  const issued = { ...right, nodes: wrong };
  network.consensus = issued;
  expect(await alice.client.send(toBob)).toMatchObject({
    kind: 'sent',
    submitted: 0,
    pending: 1,
    held: [{ reason: 'wrong-pin', packets: 1 }],
  });
  expect(network.packets()).toEqual([]);
  expect(await alice.client.outbox.queued()).toHaveLength(1);
  // The next epoch's consensus has the right one.
  const previous = consensusDigest(issued);
  const log = headOf(appendLeaf(emptyRange, hashOfLeaf({ epoch: issued.epoch, digest: previous })));
  network.consensus = { ...shifted(3600), nodes: right.nodes, previous, log };
  alice.clock.ms += 3_600_000;
  expect(await alice.client.flush()).toMatchObject({ submitted: 1, pending: 0 });
});

test('a packet is not handed over when half an epoch is left of its keys, or less', async () => {
  expect(await alice.client.send(toBob, { timeoutMs: 0, meanDelayMs: 0 })).toMatchObject({ pending: 1 });
  const { epoch, epochSeconds } = network.consensus;
  const handOverEnd = (epoch + 1 + keyEpochsHeld - 0.5) * epochSeconds * 1000;
  const [set] = await alice.client.outbox.list();
  expect(set?.expires).toBe(handOverEnd / 1000);
  alice.clock.ms = handOverEnd;
  expect(await alice.client.flush()).toMatchObject({
    submitted: 0,
    held: [{ reason: 'expired', packets: 1 }],
  });
  expect(network.packets()).toEqual([]);
});

test('of a message far too long everything is told, too', async () => {
  const header = message({ From: 'alice@a.test', To: 'carol@b.test' }, '');
  const long = Buffer.alloc(600_000_000);
  long.set(header);
  expect((await refusal(long)).codes).toEqual(['no-recipient-key', 'too-large']);
});

test('a misspelt mix is told: one of this message stops it, one of the configuration does not', async () => {
  const misspelt: SendRequest[] = [
    { constraints: { exclude: ['m1-O.test'] } },
    { constraints: { include: ['m1-0.test', 'm2-0.test', 'm3-0.test', 'm1-O.test'] } },
    { constraints: { pinned: [undefined, 'm1-O.test'] } },
  ];
  for (const request of misspelt) {
    const { codes, text } = await refusal(toBob, request);
    expect(codes).toEqual(['unknown-mix']);
    expect(text).toContain('m1-O.test');
  }
  const config = network.config('carol@a.test');
  const carol = await person(network, 'carol@a.test', now, {
    config: { ...config, route: { include: [], exclude: ['m1-O.test'] } },
  });
  await introduce(network, carol, await person(network, 'bob@b.test', now));
  expect(await carol.client.send(message({ From: 'carol@a.test', To: 'bob@b.test' }))).toMatchObject({
    kind: 'sent',
    submitted: 1,
    warnings: [expect.stringContaining('m1-O.test')],
  });
});

/** The consensus of a later epoch. */
function shifted(seconds: number): Network['consensus'] {
  const { consensus } = network;
  return {
    ...consensus,
    epoch: consensus.epoch + seconds / consensus.epochSeconds,
    validAfter: consensus.validAfter + seconds,
    freshUntil: consensus.freshUntil + seconds,
    validUntil: consensus.validUntil + seconds,
  };
}
