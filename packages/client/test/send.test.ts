import { rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SendOutcome } from '../src/index.ts';
import { startNetwork } from './network.ts';
import { introduce, message, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12, 34, 56);

function sent(outcome: SendOutcome): Extract<SendOutcome, { kind: 'sent' }> {
  if (outcome.kind === 'sent') return outcome;
  throw new Error(outcome.problems.map((problem) => problem.message).join('; '));
}

function bytesOf(text: string | Uint8Array): string {
  return Buffer.from(text).toString('latin1');
}

test('a message reaches each recipient whole, and each knows who wrote it', async () => {
  const network = await startNetwork({ now, domains: ['a.test', 'b.test', 'c.test'] });
  const alice = await person(network, 'alice@a.test', now);
  const bob = await person(network, 'bob@b.test', now);
  const carol = await person(network, 'carol@c.test', now);
  await introduce(network, alice, bob, carol);
  const original = message({
    From: 'Alice <alice@a.test>',
    To: 'Bob <bob@b.test>, bob@B.test',
    Bcc: 'carol@c.test',
    Subject: 'lunch at one',
    Date: 'Thu, 01 Jan 2026 12:00:00 +0000',
    'Message-ID': '<lunch@a.test>',
  });
  const outcome = sent(await alice.client.send(original));
  expect(outcome).toMatchObject({
    messageId: '<lunch@a.test>',
    submitted: 2,
    pending: 0,
    waiting: [],
    held: [],
  });
  expect(outcome.recipients.map(({ mailbox, packets }) => [mailbox, packets])).toEqual([
    ['bob@b.test', 1],
    ['carol@c.test', 1],
  ]);
  for (const { paths } of outcome.recipients) {
    for (const { hops, delaysMs } of paths) {
      expect(hops.map((name) => name.slice(0, 2))).toEqual(['m1', 'm2', 'm3']);
      expect(delaysMs).toHaveLength(3);
    }
  }
  const delivered = await network.deliver();
  expect([...delivered.keys()].sort()).toEqual(['bob@b.test', 'carol@c.test']);
  const withoutBcc = bytesOf(original).replace('Bcc: carol@c.test\r\n', '');
  for (const reader of [bob, carol]) {
    const [sealed = new Uint8Array()] = delivered.get(reader.mailbox) ?? [];
    expect(bytesOf(sealed)).not.toMatch(/alice|a\.test|lunch/);
    const opened = await reader.client.open(sealed);
    expect(opened).toMatchObject({
      kind: 'opened',
      from: 'alice@a.test',
      vouched: true,
      protection: 'cipher',
    });
    expect(opened.kind === 'opened' && bytesOf(opened.message)).toBe(withoutBcc);
  }
  const refused = await bob.client.open((delivered.get('carol@c.test') ?? [])[0] ?? new Uint8Array());
  expect(refused).toMatchObject({ kind: 'refused' });
});

test('what the sender leaves out is added, and line ends are put in order', async () => {
  const network = await startNetwork({ now });
  const alice = await person(network, 'alice@a.test', now);
  const bob = await person(network, 'bob@b.test', now);
  await introduce(network, alice, bob);
  const { messageId } = sent(
    await alice.client.send(Buffer.from('From: alice@a.test\nTo: bob@b.test\n\nhi\n')),
  );
  const [sealed = new Uint8Array()] = (await network.deliver()).get('bob@b.test') ?? [];
  const opened = await bob.client.open(sealed);
  expect(opened.kind === 'opened' && bytesOf(opened.message)).toBe(
    `Date: Thu, 01 Jan 2026 12:34:56 +0000\r\nMessage-ID: ${messageId}\r\nFrom: alice@a.test\r\nTo: bob@b.test\r\n\r\nhi\r\n`,
  );
});

test('a long message becomes many packets, each on a path of its own, and comes out byte-equal', async () => {
  const network = await startNetwork({ now, mixesPerLayer: 4 });
  const alice = await person(network, 'alice@a.test', now);
  const bob = await person(network, 'bob@b.test', now);
  await introduce(network, alice, bob);
  const body = `${Buffer.alloc(700_000, 'The quick brown fox. ').toString('base64').replace(/.{76}/g, '$&\r\n')}\r\n`;
  const original = message(
    { From: 'alice@a.test', To: 'bob@b.test', Date: 'x', 'Message-ID': '<x@a.test>' },
    body,
  );
  const progress: string[] = [];
  const outcome = sent(
    await alice.client.send(original, {
      onProgress: (p) => progress.push(p.kind === 'pause' ? p.kind : `${p.kind} ${p.done}/${p.of}`),
    }),
  );
  const packets = outcome.recipients[0]?.packets ?? 0;
  expect(packets).toBeGreaterThan(30);
  expect(outcome.submitted).toBe(packets);
  expect(new Set(outcome.recipients[0]?.paths.map(({ hops }) => hops.join())).size).toBeGreaterThan(10);
  expect(progress.filter((line) => line.startsWith('built'))).toHaveLength(packets);
  expect(progress.at(-1)).toBe(`submitted ${packets}/${packets}`);
  const [sealed = new Uint8Array()] = (await network.deliver()).get('bob@b.test') ?? [];
  const opened = await bob.client.open(sealed);
  expect(opened.kind === 'opened' && bytesOf(opened.message) === bytesOf(original)).toBe(true);
});

test('the copy that is kept opens for its author, and nothing else of the message lies in the clear', async () => {
  const network = await startNetwork({ now });
  const alice = await person(network, 'alice@a.test', now);
  const bob = await person(network, 'bob@b.test', now);
  await introduce(network, alice, bob);
  const original = message({
    From: 'alice@a.test',
    To: 'bob@b.test',
    Subject: 'lunch',
    Date: 'x',
    'Message-ID': '<x@a.test>',
  });
  const outcome = sent(await alice.client.send(original, { timeoutMs: 0 }));
  expect(outcome).toMatchObject({ submitted: 0, pending: 1, waiting: [{ reason: 'not-tried', packets: 1 }] });
  const copy = await readFile(join(alice.client.paths.sent, `${outcome.id}.eml`));
  const opened = await alice.client.open(copy);
  expect(opened).toMatchObject({ kind: 'opened', vouched: true });
  expect(opened.kind === 'opened' && bytesOf(opened.message)).toBe(bytesOf(original));
  const names = await readdir(join(alice.home, 'state'), { recursive: true, withFileTypes: true });
  for (const entry of names.filter((each) => each.isFile() && each.parentPath.includes('outbox'))) {
    const content = bytesOf(await readFile(join(entry.parentPath, entry.name)));
    expect(content + entry.name).not.toMatch(/bob|b\.test|lunch|Hello|m[23]-\d/);
  }
  expect(await alice.client.flush()).toMatchObject({ submitted: 1, pending: 0 });
  expect((await network.deliver()).get('bob@b.test')).toHaveLength(1);
});

test('many messages from one process: keys, certificates, consensus and outages are read once', async () => {
  const network = await startNetwork({ now });
  const alice = await person(network, 'alice@a.test', now);
  const bob = await person(network, 'bob@b.test', now);
  await introduce(network, alice, bob);
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      alice.client.send(message({ From: 'alice@a.test', To: 'bob@b.test', Subject: `${index}` }), {
        sentCopy: false,
      }),
    ),
  );
  expect(network.asked).toEqual(['/v1/consensus', '/v1/outages']);
  expect((await network.deliver()).get('bob@b.test')).toHaveLength(20);
  expect(await readdir(alice.client.paths.sent)).toEqual([]);
});

describe('handing over again', () => {
  test('a lost answer makes a duplicate of the same bytes, never another packet', async () => {
    const network = await startNetwork({ now });
    const alice = await person(network, 'alice@a.test', now);
    const bob = await person(network, 'bob@b.test', now);
    await introduce(network, alice, bob);
    sent(await alice.client.send(message({ From: 'alice@a.test', To: 'bob@b.test' }), { timeoutMs: 0 }));
    const [queued] = await alice.client.outbox.queued();
    const stored = (await queued?.load())?.bytes ?? new Uint8Array();
    for (const mix of network.mixes) mix.answer = () => 'defer';
    expect(await alice.client.flush({ timeoutMs: 10_000 })).toMatchObject({ submitted: 0, pending: 1 });
    for (const mix of network.mixes) mix.answer = () => 'accept';
    expect(await alice.client.flush()).toMatchObject({ submitted: 1, pending: 0 });
    expect(network.packets().map(bytesOf)).toEqual([bytesOf(stored)]);
    expect(await alice.client.flush()).toEqual({ submitted: 0, pending: 0, waiting: [], held: [] });
  });

  test('another sends from the mailbox named, if its key is here', async () => {
    const network = await startNetwork({ now });
    const alice = await person(network, 'alice@a.test', now);
    const bob = await person(network, 'bob@b.test', now);
    await introduce(network, alice, bob);
    await alice.client.keys.generate('office@a.test', { noPassphrase: true });
    const outcome = await alice.client.send(message({ From: 'office@a.test', To: 'bob@b.test' }), {
      as: 'office@a.test',
    });
    expect(outcome.kind).toBe('sent');
  });

  test('no delay at all, when asked for', async () => {
    const network = await startNetwork({ now });
    const alice = await person(network, 'alice@a.test', now);
    const bob = await person(network, 'bob@b.test', now);
    await introduce(network, alice, bob);
    const outcome = sent(
      await alice.client.send(message({ From: 'alice@a.test', To: 'bob@b.test' }), { meanDelayMs: 0 }),
    );
    expect(outcome.recipients[0]?.paths[0]?.delaysMs).toEqual([0, 0, 0]);
  });

  test('the path asked for is the path taken', async () => {
    const network = await startNetwork({ now });
    const alice = await person(network, 'alice@a.test', now);
    const bob = await person(network, 'bob@b.test', now);
    await introduce(network, alice, bob);
    const constraints = { pinned: ['m1-1.test', undefined, 'm3-0.test'], exclude: ['m2-0.test'] };
    const outcome = sent(
      await alice.client.send(message({ From: 'alice@a.test', To: 'bob@b.test' }), { constraints }),
    );
    expect(outcome.recipients[0]?.paths[0]?.hops).toEqual(['m1-1.test', 'm2-1.test', 'm3-0.test']);
    const { explanation } = await alice.client.route(constraints);
    expect(explanation.paths).toBe(1);
  });
});

test('once it is in the outbox, a fault says so, and a later flush goes on with it', async () => {
  const network = await startNetwork({ now });
  const failing = { fail: true };
  const alice = await person(network, 'alice@a.test', now, {
    sender: {
      async send() {
        if (failing.fail) throw new RangeError('a fault of the sender');
        return { kind: 'sent', secured: true };
      },
      async close() {},
      async [Symbol.asyncDispose]() {},
    },
  });
  const bob = await person(network, 'bob@b.test', now);
  await introduce(network, alice, bob);
  const sending = alice.client.send(message({ From: 'alice@a.test', To: 'bob@b.test' }));
  await expect(sending).rejects.toMatchObject({
    code: 'not-handed-over',
    message: expect.stringMatching(/is in the outbox as [0-9a-f]{32}.*a fault of the sender/),
  });
  expect(await alice.client.outbox.list()).toHaveLength(1);
  failing.fail = false;
  expect(await alice.client.flush()).toMatchObject({ submitted: 1, pending: 0 });
});

test('a copy that cannot be kept is a warning: the message goes', async () => {
  const network = await startNetwork({ now });
  const alice = await person(network, 'alice@a.test', now);
  const bob = await person(network, 'bob@b.test', now);
  await introduce(network, alice, bob);
  const { sent: copies } = alice.client.paths;
  const outcome = await alice.client.send(message({ From: 'alice@a.test', To: 'bob@b.test' }), {
    // The way to the copies is blocked between the building and the commit.
    onProgress({ kind }) {
      if (kind !== 'built') return;
      rmSync(copies, { recursive: true, force: true });
      writeFileSync(copies, 'in the way');
    },
  });
  expect(sent(outcome)).toMatchObject({ submitted: 1, warnings: [expect.stringContaining('your copy')] });
});
