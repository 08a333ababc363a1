import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { formatClientConfig, pathsUnder } from '@postern/client';
import { type Person, writeLetter } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ended } from './command.ts';
import { expiredDirectory } from './expired.ts';
import { type Processes, startProcesses } from './processes.ts';

let net: Processes;
let alice: Person;
let bob: Person;

beforeAll(async () => {
  net = await startProcesses({ taps: true });
  [alice, bob] = [net.net.person('alice@a.test'), net.net.person('bob@b.test')];
});
afterAll(() => net?.[Symbol.asyncDispose]());

const letter = (to: readonly string[], seed: string): Buffer =>
  writeLetter({ from: 'alice@a.test', to, date: new Date(), attachmentBytes: 1_000, seed }).message;

/** Alice with a home of her own making: the same keys and domains, another configuration. */
async function elsewhere(name: string, config: string): Promise<Person> {
  const home = join(net.net.dir, name);
  const paths = pathsUnder(home);
  await cp(dirname(alice.paths.keys), dirname(paths.keys), { recursive: true });
  await mkdir(dirname(paths.configFile), { recursive: true });
  await writeFile(paths.configFile, config);
  return { ...alice, home, paths };
}

/** What a command says, having checked that it has stored and sent nothing. */
async function expectNothingDone(person: Person, run: () => Promise<Ended>): Promise<Ended> {
  const stored = async () =>
    Promise.all([person.paths.outbox, person.paths.sent].map((path) => readdir(path).catch(() => [])));
  const before = { stored: await stored(), taken: await net.taken(), arrived: await net.unseen(bob) };
  const ended = await run();
  expect({ stored: await stored(), taken: await net.taken(), arrived: await net.unseen(bob) }).toEqual(
    before,
  );
  expect(before.stored[0]).toEqual([]);
  return ended;
}

const send = (person: Person, input: Buffer, ...args: string[]) =>
  net.postern(person, ['send', ...args], { input });

describe('what cannot be sent', () => {
  test('with a key in the configuration that is none: which, and where', async () => {
    const config = await readFile(alice.paths.configFile, 'utf8');
    const person = await elsewhere('misspelt', `mailbx = "alice@a.test"\n${config}`);
    const ended = await expectNothingDone(person, () => send(person, letter([bob.mailbox], 'misspelt')));
    expect(ended.code).toBe(78);
    expect(ended.stderr).toContain('mailbx');
    expect(ended.stderr).toContain(person.paths.configFile);
  });

  test('with a consensus that has expired: that it is too old, and that no other is there', async () => {
    await using directory = await expiredDirectory(net.net.describe().directory);
    const trust = { urls: [directory.url], authorities: [directory.vkey], threshold: 1 };
    const person = await elsewhere(
      'late',
      formatClientConfig({ mailbox: alice.mailbox, ...trust, resolver: 'none' }),
    );
    const ended = await expectNothingDone(person, () => send(person, letter([bob.mailbox], 'late')));
    expect(directory.asked()).toBeGreaterThan(0);
    expect(ended).toMatchObject({ code: 75 });
    expect(ended.stderr).toMatch(/it was valid until .*, \d+ s before the time here/);
    expect(ended.stderr).toContain('Check the clock');
  });

  test('of more than 25,000,000 bytes: how many are the most, and what to do instead', async () => {
    const short = letter([bob.mailbox], 'long');
    const message = Buffer.concat([short, Buffer.alloc(25_000_001 - short.length, 'x')]);
    const ended = await expectNothingDone(alice, () => send(alice, message));
    expect(ended).toMatchObject({ code: 65 });
    expect(ended.stderr).toContain('more than 25000000 bytes');
    expect(ended.stderr).toContain('Give less at once');
  });

  test('to somebody whose key is not there: whose, and what to do', async () => {
    const message = letter([bob.mailbox, 'mallory@b.test'], 'stranger');
    const ended = await expectNothingDone(alice, () => send(alice, message));
    expect(ended).toMatchObject({ code: 65 });
    expect(ended.stderr).toContain('mallory@b.test');
    expect(ended.stderr).toContain('postern keys import');
  });

  test('to a first mix with another TLS key: it gets nothing, and once the right one is back nothing is lost', async () => {
    const shown = await net.postern(alice, ['route', '--json']);
    const { layers } = JSON.parse(shown.stdout.toString()) as { layers: { eligible: { name: string }[] }[] };
    const [first, second] = layers.map(({ eligible }) => net.net.member(eligible[0]?.name ?? ''));
    if (first?.tap === undefined || second === undefined) throw new Error('there is no path');
    const message = letter([bob.mailbox], 'wrong pin');

    const before = await net.taken();
    first.tap.leadTo(second.listen);
    const ended = await send(alice, message, '--pin', first.name, '--timeout', '5s');
    expect(ended).toMatchObject({ code: 69 });
    expect(ended.stderr).toContain(first.name);
    expect(ended.stderr).toMatch(/another TLS key/i);
    expect(await net.taken()).toBe(before);

    first.tap.leadTo(first.listen);
    expect(await net.postern(alice, ['flush'])).toMatchObject({ code: 0 });
    const opened = await net.postern(bob, ['open'], { input: await net.arrival(bob) });
    expect(message.equals(opened.stdout)).toBe(true);
    expect(await readdir(alice.paths.outbox)).toEqual([]);
    await rm(alice.paths.sent, { recursive: true });
  });
});
