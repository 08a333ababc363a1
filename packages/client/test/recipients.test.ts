import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openpgpkeyLabel } from '@postern/protocol/dns';
import type { Answer, RecordType, Resolver } from '@postern/runtime/dns';
import { generateKey, type PrivateKey, readKey, reformatKey, revokeKey } from 'openpgp';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Client, createClient } from '../src/client.ts';
import { refusalOf } from '../src/compose/reader.ts';
import { readClientConfig } from '../src/config.ts';
import { wkdHash } from '../src/keys/find/wkd.ts';
import { pathsUnder } from '../src/paths.ts';
import { type Network, startNetwork } from './network.ts';
import { message, type Person, person } from './people.ts';
import { postern } from './terminal.ts';

const now = Date.UTC(2026, 0, 1, 12);
const toBob = message({ From: 'alice@a.test', To: 'Bob@b.test' });
const owner = `${openpgpkeyLabel('bob')}._openpgpkey.b.test.`;
const none: Answer = { kind: 'none', secure: true, ttlSeconds: 300 };

class Fake implements Resolver {
  readonly answers = new Map<string, Answer>();
  readonly asked: string[] = [];

  async resolve<T extends RecordType>(name: string, type: T): Promise<Answer<T>> {
    this.asked.push(`${name} ${type}`);
    return (this.answers.get(`${name} ${type}`) ?? this.answers.get(name) ?? none) as Answer<T>;
  }

  publish(...certificates: Uint8Array[]): void {
    this.answers.set(owner, found(certificates.map((certificate) => ({ certificate }))));
  }
}

function found(records: object[], secure = true): Answer {
  return { kind: 'found', secure, records, ttlSeconds: 300 } as unknown as Answer;
}

async function keyOf(emails: string[], days = 0): Promise<PrivateKey> {
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: emails.map((email) => ({ email })),
    date: new Date(now - 86_400_000),
    keyExpirationTime: days * 86_400,
    format: 'object',
  });
  return privateKey;
}

const bytes = (key: PrivateKey): Uint8Array => key.toPublic().write();
const print = (key: PrivateKey): string => key.getFingerprint().toUpperCase();

let network: Network;
let resolver: Fake;
let alice: Person;
let consents: (readonly string[])[];

async function author(
  keys: Partial<ReturnType<Network['config']>['keys']> = {},
  more: { consent?: boolean; wkd?: { ca: string; port: number } } = {},
): Promise<Person> {
  const config = network.config('alice@a.test');
  const own = await person(network, 'alice@a.test', now, {
    resolver,
    config: { ...config, keys: { ...config.keys, ...keys } },
    ...(more.wkd === undefined ? {} : { wkd: more.wkd }),
    ...(more.consent === undefined
      ? {}
      : {
          consent: async (mailboxes) => {
            consents.push(mailboxes);
            return more.consent === true;
          },
        }),
  });
  await own.client.domains.pin(network.zones.get('b.test') ?? '');
  return own;
}

beforeEach(async () => {
  network = await startNetwork({ now, mixesPerLayer: 1 });
  resolver = new Fake();
  consents = [];
  alice = await author();
});

const problems = async (who: Person): Promise<object[]> => {
  const outcome = await who.client.send(toBob);
  return outcome.kind === 'refused' ? outcome.problems.map((each) => ({ ...each })) : [];
};

describe('P4 when send asks', () => {
  test('nobody is asked where a key is pinned', async () => {
    const bob = await keyOf(['bob@b.test']);
    await alice.client.keys.import(bytes(bob));
    const sent = await alice.client.send(toBob);
    expect(sent).toMatchObject({
      kind: 'sent',
      recipients: [
        {
          key: { fingerprint: print(bob), source: 'file', since: '2026-01-01' },
          record: { vouchedBy: 'pinned', from: 'file' },
          mode: 'mix',
          why: 'as configured',
        },
      ],
    });
    expect(resolver.asked).toEqual([]);
  });

  test.each([
    ['nobody to say yes', {}, {}],
    ['a no', {}, { consent: false }],
    ['never', { lookup: 'never' as const }, { consent: true }],
  ])('nobody is asked: %s', async (_what, keys, more) => {
    resolver.publish(bytes(await keyOf(['bob@b.test'])));
    const who = await author(keys, more);
    expect(await problems(who)).toMatchObject([
      { code: 'no-recipient-key', hint: expect.stringContaining('postern keys find') },
    ]);
    expect(resolver.asked).toEqual([]);
  });

  test('nobody is asked about a message that is refused for another reason', async () => {
    const who = await author({ lookup: 'always' });
    const outcome = await who.client.send(message({ From: 'carol@a.test', To: 'bob@b.test' }));
    expect(outcome.kind).toBe('refused');
    expect(resolver.asked).toEqual([]);
  });

  test('a yes is asked for once, what is found is pinned, and the next message asks nobody', async () => {
    const bob = await keyOf(['bob@b.test', 'robert@c.test']);
    resolver.publish(bytes(bob));
    const who = await author({}, { consent: true });
    expect(await who.client.send(toBob)).toMatchObject({
      kind: 'sent',
      recipients: [
        { key: { fingerprint: print(bob), source: 'dns', since: '2026-01-01', news: 'pinned-now' } },
      ],
    });
    expect(consents).toEqual([['Bob@b.test']]);
    expect((await who.client.keys.certificate('bob@b.test'))?.getUserIDs()).toEqual(['<bob@b.test>']);
    const { length } = resolver.asked;
    await who.client.send(toBob);
    expect(resolver.asked).toHaveLength(length);
  });

  test('a preview shows what it finds, and pins nothing', async () => {
    const bob = await keyOf(['bob@b.test']);
    resolver.publish(bytes(bob));
    const who = await author({}, { consent: true });
    expect(await who.client.preview(toBob)).toMatchObject({
      kind: 'planned',
      recipients: [{ key: { fingerprint: print(bob), source: 'dns', news: 'found-now' }, reports: false }],
    });
    expect(await who.client.keys.certificate('bob@b.test')).toBeUndefined();
  });

  test('a pinned key that has expired is refreshed by its newer form', async () => {
    const short = await keyOf(['bob@b.test'], 2);
    const who = await author({ lookup: 'always' });
    await who.client.keys.import(bytes(short));
    who.clock.ms = now + 3 * 86_400_000;
    const { privateKey } = await reformatKey({
      privateKey: short,
      userIDs: [{ email: 'bob@b.test' }],
      date: new Date(now + 60_000),
      format: 'object',
    });
    resolver.publish(bytes(privateKey));
    expect(await who.client.keys.find('bob@b.test')).toMatchObject({ kind: 'known', pinned: print(short) });
    expect((await who.client.keys.list()).find(({ kind }) => kind === 'pinned')?.flaw).toBeUndefined();
  });

  test('another key in place of one that has expired is refused loudly until it is accepted', async () => {
    const old = await keyOf(['bob@b.test'], 2);
    const other = await keyOf(['bob@b.test']);
    const who = await author({ lookup: 'always' });
    await who.client.keys.import(bytes(old));
    resolver.publish(bytes(other));
    expect(await who.client.keys.find('bob@b.test')).toMatchObject({ kind: 'changed' });
    await expect(who.client.keys.accept('bob@b.test', print(old))).rejects.toMatchObject({
      code: 'wrong-use',
    });
    const pinned = async (): Promise<string | undefined> =>
      (await who.client.keys.certificate('bob@b.test'))?.getFingerprint().toUpperCase();
    expect(await pinned()).toBe(print(old));
    await who.client.keys.accept('bob@b.test', print(other));
    expect(await pinned()).toBe(print(other));
  });
});

describe('an offer', () => {
  test.each<[string, (who: Person) => Promise<unknown>]>([
    [
      'an import',
      async (who) => {
        await who.client.keys.import(bytes(await keyOf(['bob@b.test'])));
      },
    ],
    ['a key made for the mailbox', (who) => who.client.keys.generate('bob@b.test', { noPassphrase: true })],
    [
      'a look-up that finds nothing',
      async (who) => {
        resolver.answers.clear();
        await who.client.keys.find('bob@b.test');
      },
    ],
  ])('is gone with %s', async (_what, then) => {
    const other = await keyOf(['bob@b.test']);
    resolver.publish(bytes(other));
    expect(await alice.client.keys.find('bob@b.test')).toMatchObject({ kind: 'new' });
    await then(alice);
    await expect(alice.client.keys.accept('bob@b.test', print(other))).rejects.toMatchObject({
      code: 'wrong-use',
    });
  });

  test('takes the place of a pinned key by its fingerprint alone, and says of which', async () => {
    const [old, other] = [await keyOf(['bob@b.test']), await keyOf(['bob@b.test'])];
    await alice.client.keys.import(bytes(old));
    resolver.publish(bytes(other));
    await alice.client.keys.find('bob@b.test');
    await expect(alice.client.keys.accept('bob@b.test')).rejects.toMatchObject({
      code: 'wrong-use',
      message: expect.stringContaining(print(old)),
      hint: expect.stringContaining(print(other)),
    });
    const accept = ['--home', alice.home, 'keys', 'accept', 'bob@b.test', print(other)];
    expect(await postern(accept)).toMatchObject({
      code: 0,
      stdout: `bob@b.test  ${print(other)}, in place of ${print(old)}\n`,
    });
  });
});

describe('what is found', () => {
  test('a revocation of the pinned key is taken', async () => {
    const bob = await keyOf(['bob@b.test']);
    await alice.client.keys.import(bytes(bob));
    const { publicKey } = await revokeKey({ key: bob, date: new Date(now - 1000), format: 'object' });
    resolver.publish(publicKey.write());
    expect(await alice.client.keys.find('bob@b.test')).toMatchObject({
      kind: 'unusable',
      candidates: [{ flaw: 'is revoked' }],
    });
    expect(await problems(alice)).toMatchObject([{ code: expect.stringMatching(/key/) }]);
    expect((await alice.client.keys.list()).find(({ kind }) => kind === 'pinned')?.flaw).toBe('is revoked');
  });

  test('a new key beside the revoked one that is pinned is offered, and what is said names both', async () => {
    const [old, next] = [await keyOf(['bob@b.test']), await keyOf(['bob@b.test'])];
    const who = await author({ lookup: 'always' });
    await who.client.keys.import(bytes(old));
    const { publicKey } = await revokeKey({ key: old, date: new Date(now - 1000), format: 'object' });
    resolver.publish(publicKey.write(), bytes(next));
    expect(await who.client.keys.find('bob@b.test')).toMatchObject({ kind: 'changed', pinned: print(old) });
    expect(await problems(who)).toMatchObject([
      {
        code: 'key-changed',
        message: `ANOTHER KEY FOR bob@b.test: pinned is ${print(old)}, which is revoked, and DNS brings ${print(next)}`,
        hint: expect.stringContaining(`postern keys accept bob@b.test ${print(next)}`),
      },
    ]);
    await who.client.keys.accept('bob@b.test', print(next));
    expect(await who.client.send(toBob)).toMatchObject({ kind: 'sent' });
  });

  test('a second key beside the pinned one that still counts is said and offered', async () => {
    const [old, next] = [await keyOf(['bob@b.test'], 1), await keyOf(['bob@b.test'])];
    const who = await author({ lookup: 'always' });
    who.clock.ms = now - 60_000;
    await who.client.keys.import(bytes(old));
    who.clock.ms = now;
    const { privateKey } = await reformatKey({
      privateKey: old,
      userIDs: [{ email: 'bob@b.test' }],
      date: new Date(now - 1000),
      format: 'object',
    });
    resolver.publish(bytes(privateKey), bytes(next));
    expect(await who.client.send(toBob)).toMatchObject({
      kind: 'sent',
      recipients: [{ key: { fingerprint: print(old), news: 'refreshed-now' } }],
      warnings: [expect.stringContaining(print(next))],
    });
    await who.client.keys.accept('bob@b.test', print(next));
  });

  test('unusable ones are told with their flaws alone', async () => {
    const one = await keyOf(['bob@b.test']);
    const { publicKey } = await revokeKey({ key: one, date: new Date(now - 1000), format: 'object' });
    resolver.publish(publicKey.write(), bytes(await keyOf(['eve@b.test'])));
    const who = await author({ lookup: 'always' });
    expect(await problems(who)).toMatchObject([
      { code: 'unusable-key', message: expect.stringContaining(`${print(one)} is revoked; `) },
    ]);
  });

  test('of several new ones none is chosen for the author', async () => {
    await alice.client.keys.import(bytes(await keyOf(['bob@b.test'])));
    const [one, two] = [await keyOf(['bob@b.test']), await keyOf(['bob@b.test'])];
    resolver.publish(bytes(one), bytes(two));
    const finding = await alice.client.keys.find('bob@b.test');
    expect(refusalOf(finding)?.problem).toMatchObject({
      message: expect.stringContaining(`${print(one)} and ${print(two)}`),
      hint: expect.stringMatching(/postern keys accept bob@b\.test FINGERPRINT$/),
    });
  });

  test('another key for one’s own mailbox is told, and not offered', async () => {
    const other = await keyOf(['alice@a.test']);
    resolver.answers.set(
      `${openpgpkeyLabel('alice')}._openpgpkey.a.test.`,
      found([{ certificate: bytes(other) }]),
    );
    const finding = await alice.client.keys.find('alice@a.test');
    expect(refusalOf(finding)?.problem).toMatchObject({
      message: expect.stringContaining('YOUR OWN MAILBOX'),
      hint: expect.not.stringContaining('keys accept'),
    });
    await expect(alice.client.keys.accept('alice@a.test', print(other))).rejects.toMatchObject({
      code: 'wrong-use',
    });
  });

  test('where a key is from is not made up for one that was pinned before that was noted', async () => {
    const bob = await keyOf(['bob@b.test']);
    await alice.client.keys.import(bytes(bob));
    await rm(join(alice.client.paths.keys, 'pins'), { recursive: true });
    resolver.publish(bytes(bob));
    expect(await alice.client.keys.find('bob@b.test')).toMatchObject({ kind: 'known' });
    expect(await alice.client.keys.pin('bob@b.test')).toBeUndefined();
    expect(await alice.client.send(toBob)).toMatchObject({ recipients: [{ key: { source: 'unknown' } }] });
  });

  test.each<[string, () => Promise<Uint8Array[]>, object]>([
    ['another name', async () => [bytes(await keyOf(['eve@b.test']))], { kind: 'unusable' }],
    [
      'a secret key',
      async () => [(await keyOf(['bob@b.test'])).write()],
      { kind: 'unusable', candidates: [{ flaw: 'lies there with its secret key' }] },
    ],
    [
      'two keys',
      async () => [bytes(await keyOf(['bob@b.test'])), bytes(await keyOf(['bob@b.test']))],
      { kind: 'several' },
    ],
    ['no key at all', async () => [Buffer.from('<html>')], { kind: 'failed' }],
  ])('%s is not taken', async (_what, make, finding) => {
    resolver.publish(...(await make()));
    expect(await alice.client.keys.find('bob@b.test')).toMatchObject(finding);
    expect(await alice.client.keys.certificate('bob@b.test')).toBeUndefined();
  });

  test.each(['bogus', 'servfail', 'timeout'] as const)('DNS that is %s ends the search', async (reason) => {
    resolver.answers.set(owner, { kind: 'failed', reason });
    const who = await author({ lookup: 'always' });
    expect(await problems(who)).toMatchObject([{ code: 'key-unanswered', exitCode: 75 }]);
    expect(resolver.asked).toEqual([`${owner} OPENPGPKEY`]);
  });

  test('what an unsigned zone holds does not count; the next source is asked', async () => {
    resolver.answers.set(owner, found([{ certificate: bytes(await keyOf(['bob@b.test'])) }], false));
    expect(await alice.client.keys.find('bob@b.test')).toMatchObject({
      kind: 'none',
      looked: [
        { source: 'dns', said: expect.stringContaining('nothing proves the answer') },
        { source: 'wkd', said: 'b.test has no address' },
        { source: 'keyring', said: 'not asked, since [keys] names no gnupg' },
      ],
    });
  });
});

/** A web server for two names, with a certificate of an authority of its own. */
async function directory(
  pages: Map<string, { status?: number; body?: Uint8Array; location?: string }>,
): Promise<{
  ca: string;
  port: number;
  asked: string[];
}> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-wkd-'));
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
  execFileSync(
    'openssl',
    (
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=wkd ' +
      `-addext subjectAltName=DNS:openpgpkey.b.test,DNS:b.test -keyout ${key} -out ${cert}`
    ).split(' '),
    { stdio: 'ignore' },
  );
  const ca = readFileSync(cert, 'utf8');
  const asked: string[] = [];
  const server = createServer({ key: readFileSync(key), cert: ca }, (request, response) => {
    const at = `${String(request.headers.host).replace(/:\d+$/, '')}${request.url}`;
    asked.push(at);
    const { status = 200, body, location } = pages.get(at) ?? { status: 404 };
    response.writeHead(status, location === undefined ? {} : { location });
    response.end(body);
  });
  rmSync(folder, { recursive: true });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { ca, port: (server.address() as AddressInfo).port, asked };
}

describe('a Web Key Directory', () => {
  const hu = `hu/${wkdHash('bob')}?l=Bob`;
  const advanced = `openpgpkey.b.test/.well-known/openpgpkey/b.test/${hu}`;
  const direct = `b.test/.well-known/openpgpkey/${hu}`;
  const here = found([{ address: '127.0.0.1' }], false);
  const find = async (
    pages: Parameters<typeof directory>[0],
    names: string[],
    host?: string,
  ): Promise<{ finding: object; asked: string[] }> => {
    const { asked, ...wkd } = await directory(pages);
    for (const name of names) resolver.answers.set(`${name}. A`, here);
    const who = await author({ order: ['wkd'] }, { wkd });
    return { finding: await who.client.keys.find(`Bob@${host ?? 'b.test'}`), asked };
  };

  test('the hash of the draft’s example', () => {
    expect(wkdHash('Joe.Doe')).toBe('iy9q119eutrkn8s1mk4r39qejnbu3n5q');
  });

  test('the advanced method first', async () => {
    const bob = await keyOf(['bob@b.test', 'x@y.test']);
    const { finding, asked } = await find(new Map([[advanced, { body: bytes(bob) }]]), [
      'openpgpkey.b.test',
      'b.test',
    ]);
    expect(finding).toMatchObject({
      kind: 'new',
      source: 'wkd',
      candidates: [{ fingerprint: print(bob), userIds: ['<bob@b.test>'] }],
    });
    expect(asked).toEqual([advanced]);
  });

  test('the direct one only where the other’s name does not exist', async () => {
    const page = new Map([[direct, { body: bytes(await keyOf(['bob@b.test'])) }]]);
    expect(await find(page, ['b.test'])).toMatchObject({ finding: { kind: 'new' }, asked: [direct] });
    expect(await find(page, ['openpgpkey.b.test', 'b.test'])).toMatchObject({
      finding: { kind: 'none' },
      asked: [advanced],
    });
  });

  test('not where a signed zone fails to prove that the other’s name does not exist', async () => {
    resolver.answers.set('openpgpkey.b.test.', { kind: 'none', secure: false, ttlSeconds: 300 });
    const page = new Map([[direct, { body: bytes(await keyOf(['bob@b.test'])) }]]);
    const { asked, ...wkd } = await directory(page);
    const who = await author({ order: ['wkd'] }, { wkd });
    resolver.answers.set('b.test. A', found([{ address: '127.0.0.1' }], true));
    const refused = { kind: 'failed', looked: [{ said: expect.stringContaining('DNS proves') }] };
    expect(await who.client.keys.find('Bob@b.test')).toMatchObject(refused);
    expect(asked).toEqual([]);
    // Nothing in an unsigned zone can be proven.
    resolver.answers.set('b.test. A', here);
    resolver.answers.set('b.test. AAAA', { kind: 'none', secure: false, ttlSeconds: 300 });
    expect(await who.client.keys.find('Bob@b.test')).toMatchObject({ kind: 'new' });
    expect(asked).toEqual([direct]);
  });

  test.each<[string, { status?: number; body?: Uint8Array; location?: string }, RegExp]>([
    ['a redirect', { status: 302, location: `https://${direct}` }, /answers with status 302/],
    ['an error', { status: 500 }, /answers with status 500/],
    ['more than any certificate has', { body: new Uint8Array(300_000) }, /more than 262144 bytes/],
    ['a page', { body: Buffer.from('<html>') }, /no OpenPGP key/],
  ])('%s ends the search', async (_what, page, said) => {
    const { finding, asked } = await find(new Map([[advanced, page]]), ['openpgpkey.b.test']);
    expect(finding).toMatchObject({ kind: 'failed', looked: [{ said: expect.stringMatching(said) }] });
    expect(asked).toEqual([advanced]);
  });

  test('a certificate for another name ends the search', async () => {
    const { finding, asked } = await find(new Map(), ['c.test'], 'c.test');
    expect(finding).toMatchObject({ kind: 'failed', looked: [{ said: expect.stringContaining('c.test') }] });
    expect(asked).toEqual([]);
  });

  test('addresses that are not of the public Internet are not asked', async () => {
    resolver.answers.set('openpgpkey.b.test. A', here);
    const who = await author({ order: ['wkd'] });
    expect(await who.client.keys.find('bob@b.test')).toMatchObject({
      kind: 'failed',
      looked: [{ said: 'openpgpkey.b.test has no address of the public Internet' }],
    });
  });
});

describe('what is said when nothing is found', () => {
  const said = async (who: Person, mailbox: string): Promise<object | undefined> =>
    refusalOf(await who.client.keys.find(mailbox))?.problem;
  const told =
    '(DNS: there is no OPENPGPKEY record, as DNSSEC proves; the Web Key Directory: b.test has no address; your GnuPG keyring: not asked, since [keys] names no gnupg)';

  test('of somebody unknown: where it was looked for, and where else a key is from', async () => {
    expect(await said(alice, 'bob@b.test')).toEqual({
      code: 'no-recipient-key',
      mailbox: 'bob@b.test',
      message: `no key of bob@b.test was found ${told}`,
      hint: 'Get their certificate, make sure that it is theirs, and: postern keys import FILE',
      exitCode: 65,
    });
    const who = await author({ lookup: 'always' });
    expect(await problems(who)).toMatchObject([{ hint: expect.not.stringContaining('keys find') }]);
  });

  test('of somebody whose key is pinned: that it stays', async () => {
    const bob = await keyOf(['bob@b.test'], 2);
    await alice.client.keys.import(bytes(bob));
    expect(await said(alice, 'bob@b.test')).toMatchObject({
      message: `no key of bob@b.test was found ${told}; ${print(bob)} stays pinned`,
      hint: expect.not.stringContaining('keys find'),
    });
    resolver.answers.set(owner, { kind: 'failed', reason: 'timeout' });
    expect(await said(alice, 'bob@b.test')).toMatchObject({
      message: expect.stringContaining(`; ${print(bob)} stays pinned`),
      exitCode: 75,
    });
  });

  test('in place of a pinned key that has expired: send says both', async () => {
    const who = await author({ lookup: 'always' });
    who.clock.ms = now - 60_000;
    await who.client.keys.import(bytes(await keyOf(['bob@b.test'], 1)));
    who.clock.ms = now;
    expect(await problems(who)).toMatchObject([
      {
        code: 'unusable-key',
        message: expect.stringMatching(/^the key of Bob@b\.test expired .* \(DNS: there is no /),
        hint: expect.not.stringContaining('keys find'),
      },
    ]);
  });

  test('of oneself: how to have one’s own published', async () => {
    expect(await said(alice, 'alice@a.test')).toMatchObject({
      hint: expect.stringContaining('postern keys export alice@a.test'),
    });
  });

  test('a search is proposed only where there is somebody to ask', async () => {
    const never = async (client: Client): Promise<unknown> => {
      const outcome = await client.send(toBob, { lookup: 'never' });
      return outcome.kind === 'refused' ? outcome.problems.map(({ hint }) => hint) : outcome.kind;
    };
    const getIt = 'Get their certificate, make sure that it is theirs, and: postern keys import FILE';
    const search = `${getIt}. Or look for it: postern keys find Bob@b.test`;
    expect(await never(alice.client)).toEqual([search]);
    const config = network.config('alice@a.test');
    const alone = await person(network, 'alice@a.test', now, { config });
    await alone.client.domains.pin(network.zones.get('b.test') ?? '');
    expect(await never(alone.client)).toEqual([getIt]);
    const { paths } = alone.client;
    const keyring = { ...config, keys: { ...config.keys, gnupg: '/nowhere' } };
    await using withKeyring = createClient({ paths, config: keyring, clock: alone.clock });
    expect(await never(withKeyring)).toEqual([search]);
  });

  test('with resolver = "none": that nobody was asked, and why', async () => {
    const config = network.config('alice@a.test');
    const { client } = await person(network, 'alice@a.test', now, { config });
    const finding = await client.keys.find('bob@b.test');
    const why = 'not asked, since [dns] says resolver = "none"';
    expect(finding).toMatchObject({
      kind: 'unasked',
      looked: [{ source: 'dns', said: why }, { source: 'wkd', said: why }, { source: 'keyring' }],
    });
    expect(refusalOf(finding)?.problem).toMatchObject({
      message: expect.stringMatching(/^nobody was asked for a key of bob@b\.test \(DNS: not asked, /),
      hint: expect.stringMatching(/postern keys import FILE\. Or name a resolver in \[dns\]/),
    });
  });

  test('by accept: whether nothing waits, several do, or others', async () => {
    const wrong = async (fingerprint?: string): Promise<string> =>
      alice.client.keys.accept('bob@b.test', fingerprint).then(
        () => '',
        ({ message, hint }) => `${message} | ${hint}`,
      );
    expect(await wrong()).toMatch(/no key that was found .* \| Look for one: postern keys find bob@b\.test$/);
    const [one, two] = [await keyOf(['bob@b.test']), await keyOf(['bob@b.test'])];
    resolver.publish(bytes(one), bytes(two));
    await alice.client.keys.find('bob@b.test');
    expect(await wrong()).toBe(
      `several keys of bob@b.test wait to be accepted | Name the one that its owner has told you: ${print(one)}, ${print(two)}`,
    );
    expect(await wrong('AB')).toMatch(/^no key AB of bob@b\.test waits to be accepted \| What waits is /);
  });
});

test('what is pinned reads back as a whole certificate', async () => {
  const bob = await keyOf(['bob@b.test', 'other@c.test']);
  resolver.publish(bytes(bob));
  await alice.client.keys.find('bob@b.test');
  await alice.client.keys.accept('bob@b.test');
  const again = await readKey({ armoredKey: await alice.client.keys.export('bob@b.test') });
  expect(again.getFingerprint().toUpperCase()).toBe(print(bob));
  expect(again.getUserIDs()).toEqual(['<bob@b.test>']);
});

test('--json: what keeps a key from being taken is an error as any other, with what was found', async () => {
  const network = await startNetwork({ now, mixesPerLayer: 1 });
  const { home } = await person(network, 'alice@a.test', now);
  const init = ['--mailbox', 'alice@a.test', '--directory-url', 'http://127.0.0.1:9'];
  const { authorities } = network.config('alice@a.test').directory;
  const account = ['--submission', 'mail.p.test:587', '--submission-kind', 'account'];
  expect(
    await postern(['--home', home, 'init', ...init, '--authority', ...authorities, ...account]),
  ).toMatchObject({ code: 0 });
  expect(await readClientConfig(pathsUnder(home).configFile)).toMatchObject({
    submission: { kind: 'account', host: 'mail.p.test' },
  });
  const { code, stdout } = await postern([
    '--home',
    home,
    'keys',
    'find',
    '--json',
    '--source',
    'keyring',
    'bob@b.test',
  ]);
  expect(code).toBe(65);
  expect(JSON.parse(stdout)).toMatchObject({
    error: {
      code: 'no-recipient-key',
      message: expect.stringContaining('bob@b.test'),
      hint: expect.stringContaining('postern keys import'),
      finding: 'unasked',
      looked: [{ source: 'keyring', said: 'not asked, since [keys] names no gnupg' }],
    },
  });
});
