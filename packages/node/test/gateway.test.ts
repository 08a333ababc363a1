import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spkiPin } from '@postern/mail';
import { parseZone } from '@postern/protocol/dns';
import { testAuthority } from '@postern/protocol/testing';
import { readToml, silentLog, systemClock, systemRandom } from '@postern/runtime';
import type { Ended } from '@postern/runtime/testing';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseNodeConfig } from '../src/config.ts';
import { createCertificate } from '../src/keys/certificate.ts';
import { loadDkimKeys } from '../src/keys/dkim-keys.ts';
import { startNode } from '../src/node.ts';
import { formatStatus } from '../src/status.ts';
import { parseAuthors } from '../src/submit/authors/list.ts';
import type { DomainZone } from '../src/zone.ts';
import { authorityIn, commands } from './command.ts';
import { hello, login, overTls, Program } from './conversation.ts';

let folder = '';
beforeEach(async () => {
  folder = await storesFolder('gateway');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const run = (args: readonly string[], input?: string): Promise<Ended> => commands.run(folder, args, input);
const gateway = [
  'init --name gate.a.test --role delivery submission --domain a.test',
  '--lmtp 127.0.0.1:24 --advertise mx.a.test:25',
].flatMap((line) => line.split(' '));
const keyOf = (name: string): string => testAuthority(name).vkey;
const directory = ['--directory-url', 'http://127.0.0.1:1', '--authority', keyOf('authority.test')];

test('init makes what submission needs, and a configuration that holds', async () => {
  expect(await run([...gateway, ...directory])).toMatchObject({ code: 0 });
  const data = join(folder, 'node-data');
  expect((await readdir(data)).sort().join(' ')).toBe(
    'a.test.zone authors dkim.json domain.key identity.key signing.key tls.crt tls.key',
  );
  for (const name of ['authors', 'dkim.json'])
    expect((await stat(join(data, name))).mode & 0o777).toBe(0o600);
  expect((await loadDkimKeys(data, 'a.test')).map(({ algorithm }) => algorithm)).toEqual([
    'rsa-sha256',
    'ed25519-sha256',
  ]);
  const path = join(folder, 'node.toml');
  expect(parseNodeConfig(await readToml(path)).submission).toMatchObject({
    listen: { host: '127.0.0.1', port: 2587 },
    authors: { kind: 'file', path: 'node-data/authors' },
  });
  // What it shows as a comment is right as well.
  const text = await readFile(path, 'utf8');
  const shown = text
    .replaceAll(/^# (?=[a-z_]+ = |\[)/gm, '')
    .replaceAll(/^(imap|smtp) = .*$/gm, '')
    .replace('store = "sqlite"', 'store = "redis"');
  await writeFile(path, shown.replace(/^login = .*$/m, '').replace(/^authors = "authors"$/m, ''));
  const { submission, spool } = parseNodeConfig(await readToml(path));
  expect(spool.redis).toMatchObject({ address: { path: '/run/redis/redis.sock' }, user: 'postern' });
  expect(submission?.smarthost).toMatchObject({
    require: { port: 25 },
    prefer: { port: 26 },
  });
});

test('init takes servers and pins, and refuses what the configuration would', async () => {
  const pin = 'ab'.repeat(32);
  const smarthost = [
    '--smarthost',
    '127.0.0.1:26',
    '--smarthost-prefer',
    '127.0.0.1:25',
    '--smarthost-pin',
    pin,
  ];
  const servers = ['--imap', '127.0.0.1:993', '--imap-pin', pin, ...smarthost];
  expect(
    await run([...gateway, ...directory, '--submission-tls', '127.0.0.1:465', ...servers]),
  ).toMatchObject({
    code: 0,
  });
  expect(parseNodeConfig(await readToml(join(folder, 'node.toml'))).submission).toMatchObject({
    listenTls: { port: 465 },
    authors: { kind: 'imap', server: { tls: { kind: 'pin', pins: [pin] } } },
    smarthost: {
      require: { port: 26, tls: { kind: 'pin', pins: [pin] } },
      prefer: { port: 25, tls: { kind: 'pin', pins: [pin] } },
    },
  });
  const wrong = await run([
    ...gateway,
    ...directory,
    '--dir',
    'b',
    '--config',
    'b.toml',
    '--imap',
    '127.0.0.1:993',
  ]);
  expect(wrong.code).toBe(78);
  expect(wrong.err).toContain('submission.imap_pin');
  expect(await run(['author', 'list'])).toMatchObject({ code: 78 });
});

test('authors are set, listed and removed; a password comes from standard input and goes nowhere', async () => {
  await run([...gateway, ...directory]);
  const set = await run(['author', 'set', 'Alice'], 'wonder land\n');
  expect(set).toEqual({ code: 0, out: '', err: 'alice@a.test may submit.\n' });
  const toml = await readFile(join(folder, 'node.toml'), 'utf8');
  const redis = '[spool]\nstore = "redis"\nredis = { url = "unix:/none" }';
  await writeFile(join(folder, 'redis.toml'), toml.replace('[spool]', redis));
  const shared = await run(['author', 'set', 'bob@a.test', '--config', 'redis.toml'], 'rabbit hole');
  expect(shared.err).toMatch(/\nIf the node is several processes, copy \S+authors to each other one/);
  expect(await run(['author', 'list'])).toMatchObject({ code: 0, out: 'alice@a.test\nbob@a.test\n' });
  const path = join(folder, 'node-data', 'authors');
  const text = await readFile(path, 'utf8');
  expect(text).toMatch(/^# Authors of a\.test/);
  expect(text).not.toMatch(/wonder|rabbit/);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await run(['author', 'remove', 'bob'])).toMatchObject({ code: 0 });
  expect([...parseAuthors(await readFile(path, 'utf8'), 'a.test', path).keys()]).toEqual(['alice']);
});

test('what can be no author, no password or no file of authors is refused', async () => {
  await run([...gateway, ...directory]);
  expect(await run(['author', 'remove', 'bob'])).toMatchObject({ code: 65 });
  expect(await run(['author', 'set', 'alice@b.test'], 'x')).toMatchObject({ code: 64 });
  expect(await run(['author', 'set', 'carol'], 'a\tb')).toMatchObject({ code: 64 });
  await writeFile(join(folder, 'node-data', 'authors'), 'carol\n');
  const broken = await run(['author', 'list']);
  expect(broken).toMatchObject({ code: 78, err: expect.stringContaining('line 1') });
});

test('dns zone prints all records of the domain', async () => {
  await run([...gateway, ...directory]);
  const printed = await run(['dns', 'zone']);
  expect(printed.code).toBe(0);
  const lines = printed.out.trimEnd().split('\n');
  const ours = lines.filter((line) => /^\S*(_securemail|_openpgpkey)\./.test(line)).join('\n');
  expect(parseZone(ours, Date.now() / 1_000)).toMatchObject({ kind: 'record', record: { domain: 'a.test' } });
  expect(lines).toContain('a.test. IN MX 10 mx.a.test.');
  expect(printed.out).toMatch(/^_25\._tcp\.mx\.a\.test\. IN TLSA 3 1 1 [0-9a-f]{64}$/m);
  const keys = lines.filter((line) => line.includes('._domainkey.a.test. IN TXT "v=DKIM1; k='));
  expect(keys).toHaveLength(2);
  for (const line of keys)
    for (const [, string = ''] of line.matchAll(/"([^"]*)"/g)) expect(string.length).toBeLessThanOrEqual(255);
  // With a certificate of its own making MTA-STS would keep mail away.
  expect(printed.out).toMatch(/^; +_mta-sts\.a\.test\. IN TXT "v=STSv1; id=[0-9a-f]{32}"$/m);
  expect(lines).toContain(';   mode: enforce');
  expect(lines.filter((line) => !line.startsWith(';'))).toHaveLength(6);

  const json = JSON.parse((await run(['dns', 'zone', '--json', '--mx', 'in.a.test'])).out) as DomainZone;
  expect(json.records.map(({ type }) => type)).toEqual(['TXT', 'OPENPGPKEY', 'MX', 'TXT', 'TXT']);
  expect(json.suggestions.map(({ owner }) => owner)).toEqual([
    '_25._tcp.in.a.test.',
    '_mta-sts.a.test.',
    'a.test.',
    '_dmarc.a.test.',
  ]);
  expect(json.policy.text).toBe('version: STSv1\r\nmode: enforce\r\nmx: in.a.test\r\nmax_age: 604800\r\n');
});

test('dns zone names the key of another mail server only by its certificate', async () => {
  await run([...gateway, ...directory]);
  const tlsa = /^_25\._tcp\.in\.a\.test\. IN TLSA 3 1 1 ([0-9a-f]{64})$/m;
  const without = await run(['dns', 'zone', '--mx', 'in.a.test']);
  expect(without).toMatchObject({ code: 0, out: expect.stringContaining('--mx-cert FILE') });
  expect(without.out).not.toMatch(tlsa);
  const { cert } = await createCertificate(folder, 'in.a.test', systemRandom);
  await writeFile(join(folder, 'in.crt'), cert);
  const given = await run(['dns', 'zone', '--mx', 'in.a.test', '--mx-cert', 'in.crt']);
  expect(tlsa.exec(given.out)?.[1]).toBe(spkiPin(cert));
  expect(given.out).toMatch(/^; +_mta-sts\.a\.test\. IN TXT /m);
  await writeFile(join(folder, 'in.crt'), 'no certificate');
  const wrong = await run(['dns', 'zone', '--mx', 'in.a.test', '--mx-cert', 'in.crt']);
  expect(wrong).toMatchObject({ code: 65, out: '' });
});

test('dns zone is for gateways, and for names', async () => {
  await run(['init', '--name', 'mix1.test', ...directory]);
  expect(await run(['dns', 'zone'])).toMatchObject({ code: 64, out: '' });
  expect(await run(['dns', 'zone', '--mx', 'Not a name'])).toMatchObject({ code: 64, out: '' });
});

test('a gateway takes its authors, and says where', async () => {
  await using authority = await authorityIn(folder, {
    bootstrap: { nodes: 1 },
  });
  const { network } = authority;
  const listen = [
    '--listen',
    '127.0.0.1:0',
    '--submission',
    '127.0.0.1:0',
    '--submission-tls',
    '127.0.0.1:0',
  ];
  await run([...gateway, ...network, ...listen, '--smtp', '127.0.0.1:1', '--smtp-pin', 'ab'.repeat(32)]);
  const config = parseNodeConfig(await readToml(join(folder, 'node.toml')));
  await using node = await startNode(
    { ...config, dataDir: join(folder, 'node-data') },
    { clock: systemClock, random: systemRandom, log: silentLog },
  );
  expect(node.submissions.map(({ tls }) => tls)).toEqual(['starttls', 'implicit']);
  for (const address of node.submissions) {
    using program = await Program.connect(address);
    await program.converse(`
      ${address.tls === 'implicit' ? hello : overTls}
      C: ${login('alice', 'wonder land')}
      S: 454`);
  }
  const status = await node.status();
  expect(status.counters.logins).toMatchObject({ unavailable: 2 });
  const [first, second] = node.submissions.map(({ port }) => port);
  expect(formatStatus({ ...status, fault: null })).toContain(
    `submission  127.0.0.1:${first} (STARTTLS), 127.0.0.1:${second} (TLS)\n`,
  );
});
