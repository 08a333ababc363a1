import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateOwner, formatZone, makeRecord, parseZone, textOwner } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import { seeded } from '@postern/protocol/testing';
import type { Answer, FailureReason, RecordType, Resolver } from '@postern/runtime/dns';
import { systemServer } from '@postern/runtime/dns';
import { beforeEach, describe, expect, test } from 'vitest';
import type { DnsConfig } from '../src/dns-config.ts';
import { createClient, type DomainCheck, type PrefetchProgress, pathsUnder } from '../src/index.ts';
import { type Network, startNetwork } from './network.ts';
import { message, type Person, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12, 34, 56);
const hour = 3_600_000;
const toBob = message({ From: 'alice@a.test', To: 'bob@b.test' });
const failure = (reason: FailureReason): Answer => ({ kind: 'failed', reason });
const none: Answer = { kind: 'none', secure: true, ttlSeconds: 300 };

/** A resolver that says what the test wants, and counts what it was asked. */
class Fake implements Resolver {
  readonly answers = new Map<string, Answer>();
  readonly asked: string[] = [];

  async resolve<T extends RecordType>(name: string, type: T, signal?: AbortSignal): Promise<Answer<T>> {
    signal?.throwIfAborted();
    this.asked.push(`${name} ${type}`);
    return (this.answers.get(name) ?? none) as Answer<T>;
  }

  /** Publishes the lines of a zone file. */
  publish(zone: string, { secure = true, ttlSeconds = 3600 } = {}): void {
    const parsed = parseZone(zone, 0);
    if (parsed.kind === 'refused') throw new Error(parsed.reason);
    const { domain, certificate } = parsed.record;
    const text = / IN TXT (.*)/.exec(zone)?.[1] ?? '';
    const strings = [...text.matchAll(/"([^"]*)"/g)].map(([, string = '']) => string);
    this.answers.set(textOwner(domain), { kind: 'found', secure, records: [{ strings }], ttlSeconds });
    this.answers.set(certificateOwner(domain), {
      kind: 'found',
      secure,
      records: [{ certificate }],
      ttlSeconds,
    });
  }
}

let network: Network;
let resolver: Fake;
let alice: Person;

beforeEach(async () => {
  network = await startNetwork({ now, mixesPerLayer: 1 });
  resolver = new Fake();
  alice = await author({});
  resolver.publish(network.zones.get('b.test') ?? '');
});

async function author(dns: Partial<DnsConfig>): Promise<Person> {
  const config = network.config('alice@a.test');
  const own = await person(network, 'alice@a.test', now, {
    resolver,
    config: { ...config, dns: { ...config.dns, ...dns } },
  });
  const bob = await person(network, 'bob@b.test', now);
  await own.client.keys.import(Buffer.from(await bob.client.keys.export('bob@b.test')));
  return own;
}

/** Time goes on, and with it the network. */
function later(who: Person, ms: number): void {
  who.clock.ms += ms;
}

async function otherZone(expires = now / 1000 + 86_400 * 365): Promise<string> {
  const { certificate } = await generateDomainKey('b.test', new Date(now - hour));
  return formatZone(
    makeRecord({ domain: 'b.test', certificate, tls: 'require', mix: true, maxBytes: 1e6, expires }),
  );
}

const problemsOf = async (who = alice): Promise<object[]> => {
  const outcome = await who.client.send(toBob);
  return outcome.kind === 'refused' ? outcome.problems.map((each) => ({ ...each })) : [];
};

describe('P4 sending', () => {
  test('needs no pin where DNS vouches, and says that it asked just now', async () => {
    const sent = await alice.client.send(toBob);
    expect(sent).toMatchObject({
      kind: 'sent',
      submitted: 1,
      warnings: [expect.stringContaining('DNS was asked for b.test just now')],
    });
    expect(resolver.asked.sort()).toEqual(
      [`${certificateOwner('b.test')} OPENPGPKEY`, `${textOwner('b.test')} TXT`].sort(),
    );
  });

  test('asks nobody while what was found is fresh, in this process and the next', async () => {
    await alice.client.domains.check('B.test');
    const { length } = resolver.asked;
    expect(await alice.client.send(toBob)).toMatchObject({ kind: 'sent', warnings: [] });
    await using next = createClient({
      paths: pathsUnder(alice.home),
      config: network.config('alice@a.test'),
      clock: alice.clock,
      resolver,
    });
    expect(await next.domains.lookup('b.test')).toMatchObject({
      kind: 'record',
      vouchedBy: 'dnssec',
      from: 'cache',
    });
    expect(resolver.asked).toHaveLength(length);
    later(alice, hour);
    expect(await alice.client.domains.lookup('b.test')).toMatchObject({ kind: 'record', from: 'dns' });
    expect(resolver.asked).toHaveLength(length + 2);
  });

  test('asks nobody at all about what is pinned', async () => {
    await alice.client.domains.pin(network.zones.get('b.test') ?? '');
    resolver.publish(await otherZone());
    expect(await alice.client.send(toBob)).toMatchObject({ kind: 'sent', warnings: [] });
    expect(resolver.asked).toEqual([]);
  });

  test('uses nothing past its exp, however long its time to live', async () => {
    resolver.publish(await otherZone(now / 1000 + 1800), { ttlSeconds: 86_400 });
    await alice.client.domains.check('b.test');
    later(alice, hour / 2);
    expect(await alice.client.domains.lookup('b.test')).toEqual({ kind: 'invalid', reason: 'expired' });
  });

  test.each<[string, (to: Fake) => void, string, number]>([
    ['does not take part', (to) => to.answers.clear(), 'domain-takes-no-part', 65],
    [
      'has a zone that nobody signs',
      (to) => to.publish(network.zones.get('b.test') ?? '', { secure: false }),
      'domain-unsigned',
      65,
    ],
    [
      'has a record that does not hold',
      (to) => to.answers.set(certificateOwner('b.test'), none),
      'unusable-record',
      65,
    ],
    ['is bogus', (to) => to.answers.set(textOwner('b.test'), failure('bogus')), 'domain-unanswered', 75],
    [
      'cannot be asked for',
      (to) => to.answers.set(textOwner('b.test'), failure('unreachable')),
      'domain-unanswered',
      75,
    ],
    [
      'cannot be judged',
      (to) => to.answers.set(textOwner('b.test'), failure('unprovable')),
      'domain-unanswered',
      75,
    ],
  ])('refuses a domain that %s, with what to do', async (_what, change, code, exitCode) => {
    change(resolver);
    expect(await problemsOf()).toEqual([
      {
        code,
        exitCode,
        message: expect.stringContaining('b.test'),
        hint: expect.stringMatching(/^[A-Z].*\S$/),
      },
    ]);
    expect(network.packets()).toEqual([]);
  });
});

describe('the last good one', () => {
  test.each<[string, Answer]>([
    ['bogus', failure('bogus')],
    ['servfail', failure('servfail')],
    ['timeout', failure('timeout')],
    ['vanished', none],
  ])('is kept through %s, sends nothing, and counts again afterwards', async (reason, answer) => {
    await alice.client.domains.check('b.test');
    const before = resolver.answers.get(textOwner('b.test')) ?? none;
    later(alice, hour);
    resolver.answers.set(textOwner('b.test'), answer);
    expect(await alice.client.domains.lookup('b.test')).toMatchObject({
      kind: 'temporary',
      reason,
      lastGood: { vouchedBy: 'dnssec', record: { domain: 'b.test' } },
    });
    expect(await problemsOf()).toMatchObject([
      { code: 'domain-unanswered', message: expect.stringContaining('is kept') },
    ]);
    resolver.answers.set(textOwner('b.test'), before);
    expect(await alice.client.send(toBob)).toMatchObject({ kind: 'sent' });
  });

  test('lies in a file that only its owner may read; one that is damaged is not passed over', async () => {
    await alice.client.domains.check('b.test');
    const { domainCache } = alice.client.paths;
    const file = join(domainCache, 'b.test.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(domainCache)).mode & 0o777).toBe(0o700);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({
      version: 1,
      known: { vouchedBy: 'dnssec' },
    });
    await writeFile(file, '{"version":1}');
    await expect(alice.client.domains.lookup('b.test')).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining(file),
    });
    await alice.client.domains.remove('b.test');
    await expect(alice.client.domains.remove('b.test')).rejects.toMatchObject({ code: 'wrong-use' });
    expect(await alice.client.domains.lookup('b.test')).toMatchObject({ kind: 'record' });
  });
});

describe('another key', () => {
  let zone: string;
  let fingerprint: string;

  beforeEach(async () => {
    await alice.client.domains.check('b.test');
    zone = await otherZone();
    fingerprint = /fpr=([0-9a-f]+)/.exec(zone)?.[1] ?? '';
    later(alice, hour);
    resolver.publish(zone);
  });

  test('is told loudly, again and again, and stops every message until a person takes it', async () => {
    for (let time = 0; time < 2; time += 1)
      expect(await problemsOf()).toMatchObject([
        {
          code: 'domain-changed',
          exitCode: 65,
          message: expect.stringMatching(new RegExp(`^ANOTHER KEY FOR b\\.test: .*${fingerprint}$`)),
          hint: expect.stringContaining(`postern domain accept b.test ${fingerprint}`),
        },
      ]);
    expect(network.packets()).toEqual([]);
    await expect(alice.client.domains.accept('b.test', '0'.repeat(40))).rejects.toMatchObject({
      code: 'wrong-use',
      message: expect.stringContaining(fingerprint),
    });
    expect(await alice.client.domains.accept('B.test', fingerprint)).toMatchObject({ fingerprint });
    expect(await alice.client.domains.lookup('b.test')).toMatchObject({
      kind: 'record',
      from: 'cache',
      record: { fingerprint },
    });
    await expect(alice.client.domains.accept('b.test')).rejects.toMatchObject({ code: 'wrong-use' });
  });

  test('what is taken is what was shown, whatever DNS says by then', async () => {
    await alice.client.domains.check('b.test');
    resolver.publish(await otherZone());
    expect(await alice.client.domains.accept('b.test')).toMatchObject({ fingerprint });
  });

  test('is forgotten when DNS goes back to the one that is known', async () => {
    await alice.client.domains.check('b.test');
    resolver.publish(network.zones.get('b.test') ?? '');
    expect(await alice.client.domains.lookup('b.test')).toMatchObject({ kind: 'record', from: 'dns' });
    await expect(alice.client.domains.accept('b.test')).rejects.toMatchObject({ code: 'wrong-use' });
  });

  test('beside a pinned one it is told when asked for, and changes nothing', async () => {
    await alice.client.domains.pin(network.zones.get('b.test') ?? '');
    expect(await alice.client.domains.check('b.test')).toMatchObject({
      asked: { finding: { kind: 'changed', change: 'another-key', known: { vouchedBy: 'pinned' } } },
    });
    expect(await alice.client.domains.lookup('b.test')).toMatchObject({ vouchedBy: 'pinned' });
  });
});

describe('an unsigned zone that the author trusts on first use', () => {
  test('is used, and marked at every message', async () => {
    const trusting = await author({ unsigned: 'trust-on-first-use' });
    resolver.publish(network.zones.get('b.test') ?? '', { secure: false });
    await trusting.client.domains.check('b.test');
    for (let time = 0; time < 2; time += 1)
      expect(await trusting.client.send(toBob)).toMatchObject({
        kind: 'sent',
        warnings: [expect.stringContaining('nothing vouches for the key of b.test')],
      });
    // Another mind since: what rests on it is not used any more.
    const strict = await author({});
    const { domainCache } = trusting.client.paths;
    await using client = createClient({
      paths: { ...strict.client.paths, domainCache },
      config: network.config('alice@a.test'),
      clock: trusting.clock,
      resolver,
    });
    expect(await client.domains.lookup('b.test')).toEqual({ kind: 'unsigned' });
  });
});

describe('prefetch', () => {
  test('asks for every domain that is known once, in random order, at random times within what is given', async () => {
    const names = ['b.test', 'c.test', 'd.test', 'e.test', 'f.test', 'g.test'];
    const orders = new Set<string>();
    for (const seed of ['one', 'two', 'three']) {
      await using client = createClient({
        paths: alice.client.paths,
        config: network.config('alice@a.test'),
        clock: alice.clock,
        random: seeded(seed),
        resolver,
      });
      for (const name of names.slice(1)) {
        const { certificate } = await generateDomainKey(name, new Date(now - hour));
        const record = {
          domain: name,
          certificate,
          tls: 'require',
          mix: true,
          maxBytes: 1e6,
          expires: now / 1000 + 86_400,
        } as const;
        await client.domains.pin(formatZone(makeRecord(record)), { replace: true });
      }
      const start = alice.clock.ms;
      alice.clock.waits.length = 0;
      const order: string[] = [];
      const onChecked = ({ domain }: DomainCheck): void => void order.push(domain);
      // b.test is known from bob's certificate alone.
      const progress: PrefetchProgress[] = [];
      const onWait = (at: PrefetchProgress): void => void progress.push(at);
      const { checks, left } = await client.prefetch({ withinMs: hour, onChecked, onWait });
      const lastMs = alice.clock.waits.at(-1);
      expect(progress).toEqual(
        alice.clock.waits.map((nextMs, done) => ({ done, of: names.length, nextMs, lastMs })),
      );
      expect([checks.map(({ domain }) => domain).sort(), left]).toEqual([names, []]);
      orders.add(order.join());
      expect(alice.clock.waits).toHaveLength(names.length);
      expect(new Set(alice.clock.waits).size).toBe(names.length);
      for (const wait of alice.clock.waits)
        expect(wait - start).toSatisfy((ms: number) => ms >= 0 && ms < hour);
    }
    expect(orders.size).toBe(3);
    const { length } = resolver.asked;
    expect(await alice.client.domains.lookup('b.test')).toMatchObject({ kind: 'record', from: 'cache' });
    expect(resolver.asked).toHaveLength(length);
  });

  test('says at once that nobody may be asked', async () => {
    await using client = createClient({
      paths: alice.client.paths,
      config: network.config('alice@a.test'),
      clock: alice.clock,
    });
    await expect(client.prefetch({ withinMs: hour })).rejects.toMatchObject({
      code: 'no-resolver',
      exitCode: 78,
      hint: expect.stringContaining('[dns]'),
    });
    expect(alice.clock.waits).toEqual([]);
  });

  test('ends when told, and says what it did not come to', async () => {
    const stop = new AbortController();
    stop.abort();
    expect(await alice.client.prefetch({ withinMs: hour, signal: stop.signal })).toEqual({
      checks: [],
      left: ['b.test'],
    });
    expect(resolver.asked).toEqual([]);
  });
});

test('whom to ask when the configuration does not say', () => {
  const conf = 'search b.test\nnameserver 192.0.2.1\nnameserver 127.0.0.53\nnameserver ::1\n';
  expect(systemServer(conf, 'resolver')).toEqual({ host: '127.0.0.53', port: 53 });
  expect(systemServer(conf, 'in-process')).toEqual({ host: '192.0.2.1', port: 53 });
  expect(systemServer('nameserver 192.0.2.1\n', 'resolver')).toEqual({ host: '127.0.0.1', port: 53 });
  expect(systemServer('', 'in-process')).toEqual({ host: '127.0.0.1', port: 53 });
});
