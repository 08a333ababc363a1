import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openpgpkeyLabel } from '@postern/protocol/dns';
import type { Answer, RecordType, Resolver } from '@postern/runtime/dns';
import { generateKey, type PrivateKey, readKey, reformatKey, revokeKey } from 'openpgp';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { isPublic } from '../src/keys/find/address.ts';
import { wkdHash } from '../src/keys/find/wkd.ts';
import { type Network, startNetwork } from './network.ts';
import { message, type Person, person } from './people.ts';

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
          why: 'the mode asked for',
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
        { source: 'dns', said: expect.stringContaining('not signed') },
        { source: 'wkd', said: 'b.test has no address' },
        { source: 'keyring', said: 'not configured' },
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

  test.each([
    ['1.1.1.1', true],
    ['127.0.0.1', false],
    ['10.1.2.3', false],
    ['172.31.0.1', false],
    ['192.168.0.1', false],
    ['169.254.169.254', false],
    ['100.64.0.1', false],
    ['0.0.0.0', false],
    ['255.255.255.255', false],
    ['2606:4700::1', true],
    ['::1', false],
    ['::', false],
    ['fe80::1', false],
    ['fd00::1', false],
    ['::ffff:8.8.8.8', false],
    ['64:ff9b::a00:1', false],
    ['2002:a00:1::', false],
  ])('%s is of the public Internet: %s', (address, is) => {
    expect(isPublic(address)).toBe(is);
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
