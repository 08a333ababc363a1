import type { DirectoryClient, Submission } from '@postern/directory/client';
import { encodeBase64 } from '@postern/protocol/codec';
import { verifyDescriptor } from '@postern/protocol/consensus';
import { ed25519 } from '@postern/protocol/primitives';
import { silentLog } from '@postern/runtime';
import { expect, onTestFinished, test } from 'vitest';
import type { NodeConfig } from '../src/config.ts';
import type { Identity } from '../src/keys/identity.ts';
import { register } from '../src/register/register.ts';
import { fakeClock, seeded, until } from './support.ts';

const longMs = 300_000;
const urls = ['http://one.test', 'http://two.test', 'http://three.test'];
const seed = seeded('identity').bytes(32);
const identity = { seed, publicKey: ed25519.publicKey(seed), id: '' } as unknown as Identity;
const config = {
  name: 'gate.test',
  roles: ['delivery'],
  family: '',
  delivery: { domain: 'b.test' },
} as unknown as NodeConfig;

type Failed = Submission['failed'][number];
type Say = (url: string) => 'taken' | Pick<Failed, 'again' | 'refusal'>;
const dead = { again: true, refusal: undefined };

/** A node that registers with three authorities, of which each says what `say` says. */
function open(say: Say) {
  const clock = fakeClock(Date.UTC(2033, 1, 2));
  const posts: { url: string; descriptor: string; atMs: number }[] = [];
  const lines: string[] = [];
  const behaviour = { say };
  const publishTo = async (to: readonly string[], descriptor: string): Promise<Submission> => {
    const said = to.map((url) => ({ url, answer: behaviour.say(url) }));
    for (const url of to) posts.push({ url, descriptor, atMs: clock.now() });
    return {
      accepted: said.flatMap(({ url, answer }) => (answer === 'taken' ? [url] : [])),
      failed: said.flatMap(({ url, answer }): Failed[] =>
        answer === 'taken' ? [] : [{ url, reason: 'unreachable', detail: 'is gone', ...answer }],
      ),
    };
  };
  const directory: Pick<DirectoryClient, 'publish' | 'publishTo'> = {
    publishTo,
    async publish(descriptor) {
      const submission = await publishTo(urls, descriptor);
      if (submission.accepted.length === 0) throw new Error('no directory took it');
      return submission;
    },
  };
  const registration = register({
    clock,
    random: seeded('register'),
    log: { ...silentLog, warn: (event, fields) => void lines.push(`${event} ${JSON.stringify(fields)}`) },
    config,
    identity,
    tlsPins: () => ['a'.repeat(64)],
    smtp: { host: '127.0.0.1', port: 25 },
    directory,
  });
  onTestFinished(() => registration.close());
  const count = (url?: string): number =>
    posts.filter((post) => url === undefined || post.url === url).length;
  /** Lets time pass until so many have been posted, or a long time is over. */
  const pass = async (enough: () => boolean): Promise<void> => {
    const endMs = clock.now() + longMs;
    await until(async () => {
      await clock.advance(1_000);
      return enough() || clock.now() >= endMs;
    });
  };
  return { clock, posts, lines, behaviour, registration, count, pass };
}

test('an authority that is away gets the same descriptor once it is there, and the others get no second one', async () => {
  const { registration, behaviour, posts, lines, count, pass } = open((url) =>
    url === urls[2] ? dead : 'taken',
  );
  registration.announce([]);
  await pass(() => count(urls[2]) >= 12);
  expect([count(urls[0]), count(urls[1])]).toEqual([1, 1]);
  expect(new Set(posts.map(({ descriptor }) => descriptor)).size).toBe(1);
  expect(verifyDescriptor(posts[0]?.descriptor ?? '')).toMatchObject({
    kind: 'descriptor',
    descriptor: { identityKey: encodeBase64(identity.publicKey) },
  });
  const times = posts.filter(({ url }) => url === urls[2]).map(({ atMs }) => atMs);
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(gaps[0]).toBeLessThan(2_500);
  expect(gaps.at(-1)).toBeGreaterThan(10_000);
  expect(lines).toEqual([
    `an authority has not taken the descriptor {"url":"${urls[2]}","reason":"unreachable"}`,
  ]);

  behaviour.say = () => 'taken';
  const before = count();
  await pass(() => count() > before);
  await pass(() => false);
  expect(count()).toBe(before + 1);
});

test('what an authority refuses for what it says it is not sent again before there is news; what is new goes to all', async () => {
  const { registration, posts, lines, clock, count, pass } = open((url) => {
    if (url === urls[1]) return { again: false, refusal: 'not-allowed' };
    return url === urls[2] ? dead : 'taken';
  });
  registration.announce([]);
  await pass(() => count(urls[2]) >= 5);
  expect(count(urls[1])).toBe(1);
  expect(lines).toContain(
    `an authority has not taken the descriptor {"url":"${urls[1]}","reason":"not-allowed"}`,
  );
  await clock.advance(1_000);
  registration.renew();
  const before = count();
  await pass(() => count(urls[1]) >= 2);
  expect(new Set(posts.slice(before).map(({ descriptor }) => descriptor)).size).toBe(1);
  expect(posts[before]?.descriptor).not.toBe(posts[0]?.descriptor);
  await pass(() => count(urls[2]) >= 12);
  // only the new one
  expect(new Set(posts.slice(before).map(({ descriptor }) => descriptor)).size).toBe(1);
  expect(lines).toHaveLength(2);
});

test('a descriptor that no authority has taken is made anew', async () => {
  const { registration, behaviour, posts, count, pass } = open(() => dead);
  registration.announce([]);
  await pass(() => count() >= 3 * 6);
  expect(urls.map((url) => count(url))).toEqual([6, 6, 6]);
  expect(new Set(posts.map(({ descriptor }) => descriptor)).size).toBeGreaterThan(1);
  behaviour.say = () => 'taken';
  const before = count();
  await pass(() => false);
  expect(count()).toBe(before + 3);
});
