import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DirectoryClient, DirectoryError, type Submission } from '@postern/directory/client';
import { type Descriptor, verifyDescriptor } from '@postern/protocol/consensus';
import { mix, testAuthority } from '@postern/protocol/testing';
import { silentLog, systemRandom } from '@postern/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { parseNodeConfig } from '../src/config.ts';
import { createIdentity } from '../src/keys/identity.ts';
import { certify, type SigningKey } from '../src/keys/signing.ts';
import { planDowntime } from '../src/register/downtime.ts';
import { type RegisterContext, register } from '../src/register/register.ts';
import { fakeClock, seeded, until } from './support.ts';

const epochSeconds = 3_600;
const start = 500_000 * epochSeconds * 1_000;
const urls = ['http://one.test', 'http://two.test', 'http://three.test'];

/** Of the last one it is known that it has answered, and with words of its own. */
function statusOf(url: string): { status?: number } {
  return url === urls[2] ? { status: 502 } : {};
}

async function started(change: Partial<RegisterContext> = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'postern-register-'));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const clock = fakeClock(start);
  const identity = await createIdentity(dataDir, systemRandom);
  const make = (now = Math.floor(clock.now() / 1_000), days = 365): Promise<SigningKey> =>
    certify({ dataDir, identity, now, days, random: systemRandom });
  const keys = await make();
  const posts: { readonly descriptor: string; readonly to: readonly string[] }[] = [];
  /** URLs that take nothing, with the reason if they say one. */
  const refusing = new Map<string, 'name-taken' | 'too-often' | undefined>();
  const directory = {
    publish: async (descriptor: string, to: readonly string[] = urls): Promise<Submission> => {
      posts.push({ descriptor, to });
      const failed = to
        .filter((url) => refusing.has(url))
        .map((url) => {
          const refusal = refusing.get(url);
          const detail = 'unreachable (ECONNREFUSED)';
          return { url, reason: 'unreachable' as const, detail, ...(refusal ? { refusal } : statusOf(url)) };
        });
      const accepted = to.filter((url) => !refusing.has(url));
      if (accepted.length === 0)
        throw new DirectoryError('not-published', 'nobody took it', { untaken: failed });
      return { accepted, failed };
    },
  } as unknown as DirectoryClient;
  const lines: string[] = [];
  const say = (event: string, fields: object = {}): void =>
    void lines.push(`${event} ${JSON.stringify(fields)}`);
  const config = parseNodeConfig({
    name: 'mix1.test',
    roles: ['mix'],
    data_dir: dataDir,
    contact: 'operator@mix1.test',
    mix: { capacity: 128 },
    smtp: { listen: '127.0.0.1:2525', advertise: 'mix1.test:25' },
    directory: { urls, authorities: [testAuthority('a.test').vkey] },
  });
  const registration = register({
    clock,
    random: seeded('register'),
    log: { ...silentLog, warn: say, error: say },
    config,
    identity: keys,
    tlsPins: () => ['ab'.repeat(32)],
    smtp: { host: 'mix1.test', port: 25 },
    directory,
    load: { count: () => undefined, told: () => 7 },
    epochSeconds,
    ...change,
  });
  onTestFinished(() => registration.close());
  const mixKeys = [{ epoch: 500_000, key: mix('x.test').mixKeys[0]?.key ?? '' }];
  const descriptorAt = (at: number): Descriptor => {
    const verified = verifyDescriptor(posts[at]?.descriptor ?? '');
    if (verified.kind === 'refused') throw new Error(verified.detail);
    return verified.descriptor;
  };
  /** Announces, and gives the descriptor. */
  const announced = async (): Promise<Descriptor> => {
    const before = posts.length;
    registration.announce([...mixKeys]);
    await until(async () => {
      await clock.advance(10);
      return posts.length > before;
    });
    return descriptorAt(before);
  };
  return { dataDir, clock, make, keys, posts, refusing, lines, announced, descriptorAt, registration };
}

test('a descriptor says what the node is, has and plans', async () => {
  const { dataDir, announced, keys } = await started();
  const seconds = start / 1_000;
  await planDowntime(dataDir, { from: seconds + 7_000, until: seconds + 8_000 }, seconds);
  expect(await announced()).toMatchObject({
    name: 'mix1.test',
    capacity: 128,
    load: 7,
    protocols: [1, 2],
    downtime: [{ from: 500_001, until: 500_003 }],
    contact: 'operator@mix1.test',
    software: expect.stringMatching(/^postern\/\d/),
    certificate: keys.certificate,
  });
});

test('it is brought to each directory, again to those alone that have not taken it and may', async () => {
  const { clock, announced, posts, refusing, lines, registration } = await started();
  refusing.set('http://two.test', undefined);
  refusing.set('http://three.test', 'name-taken');
  await announced();
  const until500 = async (count: number): Promise<void> =>
    until(async () => {
      await clock.advance(500);
      return posts.length >= count;
    });
  await until500(3);
  expect(registration.untaken()).toMatchObject([
    { url: 'http://two.test', why: 'unreached' },
    { url: 'http://three.test', why: 'name-taken' },
  ]);
  refusing.set('http://two.test', 'too-often');
  await until500(4);
  refusing.delete('http://two.test');
  await until500(5);
  expect(posts.map(({ to }) => to)).toEqual([urls, ...Array(4).fill(['http://two.test'])]);
  expect(new Set(posts.map(({ descriptor }) => descriptor)).size).toBe(1);
  await clock.advance(600_000);
  expect(posts).toHaveLength(5);
  expect(registration.untaken()).toMatchObject([{ url: 'http://three.test', why: 'name-taken' }]);
  expect(lines).toEqual([
    'the directory refuses this node {"url":"http://three.test","reason":"name-taken"}',
    'some directories have not taken the descriptor {"count":2}',
    'the directory refuses this node {"url":"http://two.test","reason":"too-often"}',
  ]);
});

test('a refusal that stays is said again once a day, and since when', async () => {
  const { clock, announced, refusing, lines, registration } = await started();
  refusing.set('http://two.test', 'name-taken');
  await announced();
  const [first] = registration.untaken();
  const said = (): number => lines.filter((line) => line.startsWith('the directory refuses')).length;
  await announced();
  expect(said()).toBe(1);
  await clock.advance(86_400_000);
  await announced();
  expect(said()).toBe(2);
  expect(registration.untaken()).toEqual([first]);
  refusing.clear();
  await announced();
  expect(registration.untaken()).toEqual([]);
});

test('what all refuse is tried again with a new one', async () => {
  const { announced, posts, refusing, lines, registration, clock } = await started();
  for (const url of urls) refusing.set(url, 'name-taken');
  await announced();
  expect(registration.untaken().map(({ why }) => why)).toEqual(urls.map(() => 'name-taken'));
  refusing.clear();
  await until(async () => {
    await clock.advance(500);
    return registration.untaken().length === 0;
  });
  expect(posts.at(-1)?.to).toEqual(urls);
  expect(lines).toEqual(
    urls.map((url) => `the directory refuses this node {"url":"${url}","reason":"name-taken"}`),
  );
});

test('what none has taken is said with who was not reached, and why', async () => {
  const { announced, refusing, lines } = await started();
  for (const url of urls) refusing.set(url, undefined);
  refusing.set(urls[0] ?? '', 'name-taken');
  await announced();
  await until(() => lines.length > 1);
  const answers = 'http://two.test: unreachable (ECONNREFUSED); http://three.test: answered 502';
  expect(lines).toEqual([
    'the directory refuses this node {"url":"http://one.test","reason":"name-taken"}',
    `the directory did not take the descriptor ${JSON.stringify({ code: 'not-published', answers })}`,
  ]);
});

test('the next one goes to all, whoever owes the one before', async () => {
  const { announced, posts, refusing } = await started();
  refusing.set('http://two.test', undefined);
  await announced();
  refusing.clear();
  await announced();
  expect(posts.at(-1)?.to).toEqual(urls);
});

test('a new signing key is taken up with the next descriptor, and one that ends is told', async () => {
  const { clock, make, announced, keys, lines } = await started();
  expect((await announced()).certificate).toBe(keys.certificate);
  expect(lines).toEqual([]);
  const next = await make(Math.floor(clock.now() / 1_000), 20);
  expect((await announced()).certificate).toBe(next.certificate);
  await announced();
  const until = new Date(next.validUntil * 1_000).toISOString();
  const hint = 'make the next: postern-node certify --identity FILE';
  expect(lines).toEqual([`signing key ends soon ${JSON.stringify({ until, hint })}`]);
});

test('what keeps a descriptor from being made is the node’s own fault: it is said with what mends it, and tried again', async () => {
  const { dataDir, clock, announced, posts, lines, registration } = await started();
  await announced();
  expect(registration.undrawn()).toBeUndefined();
  const downtime = join(dataDir, 'downtime.json');
  const signing = join(dataDir, 'signing.key');
  await writeFile(downtime, '[');
  registration.renew();
  const goOn = async (condition: () => boolean): Promise<void> =>
    until(async () => {
      await clock.advance(1_000);
      return condition();
    });
  await goOn(() => lines.length > 0);
  const sinceMs = registration.undrawn()?.sinceMs;
  expect(registration.undrawn()).toEqual({
    why: `${downtime} cannot be read, or holds no downtimes`,
    hint: 'Remove it, and plan anew: postern-node downtime add',
    sinceMs: expect.any(Number),
  });
  await chmod(signing, 0o644);
  await goOn(() => lines.length > 1);
  expect(registration.undrawn()).toEqual({
    why: expect.stringContaining(signing),
    hint: `Close it with: chmod 600 ${signing}`,
    sinceMs,
  });
  const [first, ...more] = lines.map((line) => line.slice(line.indexOf('{')));
  expect(lines.every((line) => line.startsWith('no descriptor can be made {"why":'))).toBe(true);
  expect(JSON.parse(first ?? '')).toMatchObject({ why: expect.stringContaining(downtime) });
  expect(more).toHaveLength(1);
  expect(registration.untaken()).toEqual([]);
  await clock.advance(86_400_000);
  await goOn(() => lines.length > 2);
  await chmod(signing, 0o600);
  await rm(downtime);
  await goOn(() => posts.length > 1);
  expect(registration.undrawn()).toBeUndefined();
  expect(lines).toHaveLength(3);
});
