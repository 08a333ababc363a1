import { execFile } from 'node:child_process';
import {
  chmod,
  chown,
  copyFile,
  cp,
  lchown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { spkiPin } from '@postern/mail';
import { parseZone } from '@postern/protocol/dns';
import { testAuthority } from '@postern/protocol/testing';
import type { UserError } from '@postern/runtime';
import type { Ended } from '@postern/runtime/testing';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { requireOwner } from '../src/keys/files.ts';
import { notePublished } from '../src/keys/published.ts';
import { dkimRing, domainRing, promote, type RingKind, readRing, tlsRing } from '../src/keys/ring.ts';
import type { DomainZone } from '../src/zone.ts';
import { commands } from './command.ts';
import { until } from './support.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-rotate-'));
  const roles = '--role delivery submission --domain a.test --lmtp 127.0.0.1:24 --advertise mx.a.test:25';
  const authority = testAuthority('authority.test').vkey;
  const directory = `--directory-url http://127.0.0.1:1 --authority ${authority}`;
  await run(`init --name gate.a.test ${roles} ${directory}`);
  // Of a node that asks nobody.
  const toml = await readFile(join(folder, 'node.toml'), 'utf8');
  await writeFile(
    join(folder, 'silent.toml'),
    `${toml.replace(/^\[dns\][^[]*/m, '')}\n[dns]\nresolver = "none"\n`,
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (line: string): Promise<Ended> => commands.run(folder, line.split(' '));
const data = (...path: string[]): string => join(folder, 'node-data', ...path);
const zone = async (): Promise<string[]> => (await run('dns zone')).out.split('\n');
const promoteNext = async (kind: RingKind): Promise<void> => {
  const { next } = await readRing(data(), kind);
  if (next === undefined) throw new Error('nothing is next');
  await promote(data(), kind, next, Math.floor(Date.now() / 1_000));
};
/** Two keys of a kind are not made in one second: it is their order. */
const nextSecond = async (): Promise<void> => {
  const now = (): number => Math.floor(Date.now() / 1_000);
  const before = now();
  await until(() => now() > before);
};
const pinOf = async (path: string): Promise<string> => spkiPin(await readFile(path, 'utf8'));

test('tls rotate makes a certificate to follow, which the zone names beside the present one; one at a time', async () => {
  const made = await run('tls rotate');
  expect(made.code).toBe(0);
  const pins = [await pinOf(data('tls.crt')), await pinOf(made.out.trim())];
  expect(pins[0]).not.toBe(pins[1]);
  expect((await run('tls pin')).out).toBe(`${pins[0]}\n`);
  expect((await run('tls pin --all')).out).toBe(`${pins.join('\n')}\n`);
  const tlsa = (await zone()).filter((line) => line.includes(' IN TLSA '));
  expect(tlsa).toEqual(pins.map((pin) => `_25._tcp.mx.a.test. IN TLSA 3 1 1 ${pin}`));
  const [, at = ''] = /next-(\d+)/.exec(made.out) ?? [];
  const days = (Number(at) - Date.now() / 1_000) / 86_400;
  expect(Math.round(days)).toBe(7);
  expect(await run('tls rotate')).toMatchObject({ code: 64, out: '', err: expect.stringContaining('next-') });

  await promoteNext(tlsRing);
  const { out } = await run('tls pin --colons');
  expect(out).toMatch(/^(?:[0-9a-f]{2}:){31}[0-9a-f]{2}\n$/);
  expect(out.trim().replaceAll(':', '')).toBe(pins[1]);
  expect((await zone()).filter((line) => line.includes(' IN TLSA '))).toEqual(tlsa.toReversed());
  expect(await run('tls rotate')).toMatchObject({
    code: 64,
    out: '',
    err: expect.stringContaining('Try again after'),
  });
});

test('dkim rotate makes keys to follow, and the zone names all of them', async () => {
  const names = async (): Promise<string[]> =>
    (await zone()).filter((line) => line.includes('._domainkey.')).map((line) => line.split(' ')[0] ?? '');
  const before = await names();
  expect(await run('dkim rotate --in 3h')).toMatchObject({ code: 0 });
  const after = await names();
  expect(after.slice(0, 2)).toEqual(before);
  expect(new Set(after).size).toBe(4);
  expect(await run('dkim rotate --in soon')).toMatchObject({ code: 64, out: '' });
});

test('with a spool in Redis each command that changes something says what the other processes need a copy of', async () => {
  const other = await mkdtemp(join(tmpdir(), 'postern-rotate-'));
  onTestFinished(() => rm(other, { recursive: true }));
  await cp(folder, other, { recursive: true });
  for (const { folder: ring } of [tlsRing, dkimRing, domainRing])
    await rm(join(other, 'node-data', ring), { recursive: true, force: true });
  const toml = await readFile(join(other, 'node.toml'), 'utf8');
  const redis = 'store = "redis"\nredis = { url = "unix:/none" }';
  await writeFile(join(other, 'redis.toml'), toml.replace(/^\[spool\]$/m, `[spool]\n${redis}`));
  const there = (line: string): Promise<Ended> => commands.run(other, line.split(' '));
  for (const [line, what] of [
    ['tls rotate', 'tls-keys/'],
    ['tls rotate --discard', 'tls-keys/'],
    ['dkim rotate', 'dkim-keys/'],
    ['domain rotate --again', 'domain-keys/ and a.test.zone'],
    ['domain renew', 'domain-keys/ and a.test.zone'],
  ] as const) {
    const { code, err } = await there(`${line} --config redis.toml`);
    expect(code).toBe(0);
    expect(err).toMatch(new RegExp(`If the node is several processes, copy ${what} to each other one.*\n$`));
  }
  expect((await there('domain renew')).err).not.toContain('several processes');
});

test('the next DKIM keys can be taken back, and others made', async () => {
  expect(await run('dkim rotate --discard --in 3h')).toMatchObject({ code: 64, out: '' });
  expect(await run('dkim rotate --discard')).toMatchObject({ code: 0, out: '' });
  expect(await readdir(data(dkimRing.folder))).toEqual([]);
  expect(await run('dkim rotate')).toMatchObject({ code: 0 });
});

test('dkim rotate makes nothing where nobody asks DNS: they would never sign', async () => {
  await run('dkim rotate --discard');
  expect(await run('dkim rotate --config silent.toml')).toMatchObject({
    code: 78,
    out: '',
    err: expect.stringContaining('[dns]'),
  });
  expect(await readdir(data(dkimRing.folder))).toEqual([]);
});

test('tls rotate can be taken back too, and what is in force cannot', async () => {
  const other = await mkdtemp(join(tmpdir(), 'postern-rotate-'));
  onTestFinished(() => rm(other, { recursive: true }));
  await cp(folder, other, { recursive: true });
  await rm(join(other, 'node-data', tlsRing.folder), { recursive: true });
  const there = (line: string): Promise<Ended> => commands.run(other, line.split(' '));
  const before = await there('tls pin --all');
  await there('tls rotate');
  expect(await there('tls rotate --discard')).toMatchObject({ code: 0, out: '' });
  expect(await there('tls pin --all')).toEqual(before);
  expect(await there('tls rotate --discard')).toMatchObject({ code: 64 });
});

test('a DKIM key before that cannot be read keeps no other out of what is printed, and is told', async () => {
  await run('dkim rotate');
  await promoteNext(dkimRing);
  const whole = await run('dns zone');
  expect(whole).toMatchObject({ code: 0, err: '' });
  const lines = whole.out.split('\n');
  await copyFile(data('dkim.json'), join(folder, 'dkim.json'));
  await writeFile(data('dkim.json'), 'damaged');
  const damaged = await run('dns zone');
  expect(damaged).toMatchObject({ code: 1, err: expect.stringContaining(data('dkim.json')) });
  const left = damaged.out.split('\n');
  expect(left.length).toBe(lines.length - 2);
  expect(left).toEqual(lines.filter((line) => left.includes(line)));
  await rename(join(folder, 'dkim.json'), data('dkim.json'));
});

test('a TLS key before that cannot be read keeps no other out of what is printed, and is told', async () => {
  const whole = await run('dns zone');
  await rename(data('tls.crt'), join(folder, 'tls.crt'));
  await mkdir(data('tls.crt'));
  const [pins, shown, without] = await Promise.all(['tls pin --all', 'tls pin', 'dns zone --json'].map(run));
  if (without === undefined) throw new Error('three were run');
  expect(shown).toMatchObject({ code: 0 });
  expect(pins).toMatchObject({ code: 1, out: shown?.out });
  expect(without).toMatchObject({ code: 1, err: expect.stringContaining(data('tls.crt')) });
  const { records } = JSON.parse(without.out) as DomainZone;
  expect(records.filter(({ type }) => type === 'TLSA')).toHaveLength(1);
  await rm(data('tls.crt'), { recursive: true });
  await rename(join(folder, 'tls.crt'), data('tls.crt'));
  expect(await run('dns zone')).toEqual(whole);
});

const isRoot = process.geteuid?.() === 0;

describe.skipIf(!isRoot)(
  'what a node’s user can make of its folder does not bring root to write there:',
  () => {
    const other = 12_345;
    /** Root's folder, as it is when root runs the node. */
    const nodeFolder = async (): Promise<string> => {
      const dir = await mkdtemp(join(tmpdir(), 'postern-owner-'));
      onTestFinished(() => rm(dir, { recursive: true }));
      await writeFile(join(dir, 'identity.key'), 'a key');
      await requireOwner(dir, 0);
      return dir;
    };
    /** What root is told to find the node's user by; nothing where root may write. */
    const refusedFor = async (dir: string): Promise<string | undefined> => {
      await requireOwner(dir, other);
      const error = await requireOwner(dir, 0).catch((cause: UserError) => cause);
      if (error === undefined) return undefined;
      expect(error).toMatchObject({ exitCode: 77 });
      const [, path = ''] = /runuser -u "\$\(stat -c %U (.*)\)"/.exec(error.hint ?? '') ?? [];
      const { stdout } = await promisify(execFile)('stat', ['-c', '%u', path]);
      expect(stdout).toBe(`${other}\n`);
      return path;
    };

    test('a link to a file of root’s in place of the key', async () => {
      const dir = await nodeFolder();
      await rename(join(dir, 'identity.key'), join(dir, 'of-root'));
      await symlink('of-root', join(dir, 'identity.key'));
      await requireOwner(dir, 0);
      await lchown(join(dir, 'identity.key'), other, other);
      expect(await refusedFor(dir)).toBe(join(dir, 'identity.key'));
      await lchown(join(dir, 'identity.key'), 0, 0);
      await chown(dir, other, other);
      expect(await refusedFor(dir)).toBe(`${dir}/`);
    });

    test('no key', async () => {
      const dir = await nodeFolder();
      await rm(join(dir, 'identity.key'));
      await requireOwner(dir, 0);
      await chown(dir, other, other);
      expect(await refusedFor(dir)).toBe(`${dir}/`);
    });

    test('another’s key in a folder of root’s', async () => {
      const dir = await nodeFolder();
      await chown(join(dir, 'identity.key'), other, other);
      expect(await refusedFor(dir)).toBe(join(dir, 'identity.key'));
    });

    test('a folder behind a link, whoever made it', async () => {
      const [dir, elsewhere] = [await nodeFolder(), await nodeFolder()];
      const link = join(elsewhere, 'link');
      await symlink(dir, link);
      expect(await refusedFor(link)).toBeUndefined();
      await lchown(link, other, other);
      expect(await refusedFor(link)).toBe(link);
      await lchown(link, 0, 0);
      await rm(join(dir, 'identity.key'));
      await chown(dir, other, other);
      expect(await refusedFor(link)).toBe(`${link}/`);
    });
  },
);

test('root writes nothing for a node that is another user’s', async () => {
  const path = data('identity.key');
  // As a user who is not root, what root would be told of this user's node.
  if (isRoot) await chown(path, 12_345, 12_345);
  onTestFinished(async () => {
    if (isRoot) await chown(path, 0, 0);
  });
  await expect(requireOwner(data(), 0)).rejects.toMatchObject({
    exitCode: 77,
    hint: expect.stringContaining('runuser'),
  });
  await requireOwner(data(), 12_345);
  if (!isRoot) return;
  await requireOwner(join(folder, 'nothing'), 0);
  const state = async (): Promise<string[]> =>
    Promise.all(
      (await readdir(data(), { recursive: true })).sort().map(async (name) => {
        const { mtimeMs, uid } = await stat(data(name));
        return `${name} ${mtimeMs} ${uid}`;
      }),
    );
  const before = await state();
  const writing = [
    'run',
    'author set alice',
    'author remove alice',
    'domain renew',
    'tls rotate',
    'dkim rotate',
    'mix-keys destroy',
  ];
  const refused = await Promise.all(writing.map(run));
  for (const one of refused)
    expect(one).toMatchObject({ code: 77, out: '', err: expect.stringContaining('runuser') });
  expect(await state()).toEqual(before);
  expect(await run('author list')).toMatchObject({ code: 0 });
});

test.skipIf(!isRoot)('nor below a folder that others may write to, and makes no node there', async () => {
  const open = join(folder, 'open');
  await mkdir(open);
  await chmod(open, 0o777);
  const before = await readdir(folder);
  const init = 'init --name mix.test --directory-url http://127.0.0.1:1 --authority x';
  const paths = ['--config open/node.toml --dir ../closed', '--config closed.toml --dir open/data'];
  for (const refused of await Promise.all(paths.map((path) => run(`${init} ${path}`))))
    expect(refused).toMatchObject({
      code: 77,
      out: '',
      err: expect.stringContaining(`may write to ${open}`),
    });
  expect(await readdir(folder)).toEqual(before);
  expect(await readdir(open)).toEqual([]);
});

test('domain rotate keeps the certificate before in the zone, and makes no third key unless told to', async () => {
  const owner = (line: string): string => line.split(' ')[0] ?? '';
  const read = async () => {
    const lines = await zone();
    const text = lines.find((line) => line.startsWith('_securemail.')) ?? '';
    const above = (line: string): string => lines[lines.indexOf(line) - 1] ?? '';
    return { text, certificates: lines.filter((line) => line.includes(' IN OPENPGPKEY ')), above };
  };
  const first = await read();
  const rotated = await run('domain rotate');
  expect(rotated).toMatchObject({ code: 0, out: `${data('a.test.zone')}\n` });
  const second = await read();
  const [certificate = '', ...before] = second.certificates;
  // The very octets that the text before vouches for.
  expect(before).toEqual(first.certificates);
  expect(before.map(owner)).toEqual([owner(certificate)]);
  expect(second.above(before[0] ?? '')).toMatch(/^; of a key before: /);
  expect(second.above(second.text)).toMatch(/^; once all certificates below /);
  expect(owner(second.text)).toBe(owner(first.text));
  expect(/fpr=(\w+)/.exec(second.text)?.[1]).toBe(/a\.test: (\w+)/.exec(rotated.err)?.[1]);

  const record = await readFile(data('a.test.zone'), 'utf8');
  const refused = await run('domain rotate');
  expect(refused).toMatchObject({ code: 64, out: '', err: expect.stringContaining('--again') });
  expect(refused.err).toContain('each hour');
  const silent = await run('domain rotate --config silent.toml');
  expect(silent).toMatchObject({ code: 64, out: '', err: expect.stringContaining('--again') });
  expect(silent.err).toContain('[dns]');
  expect(silent.err).not.toContain('each hour');
  expect(await readFile(data('a.test.zone'), 'utf8')).toBe(record);
  await nextSecond();
  expect(await run('domain rotate --again')).toMatchObject({ code: 0 });
  expect((await read()).certificates.slice(1)).toEqual([certificate, ...before]);
  const { current } = await readRing(data(), domainRing);
  await notePublished(current.dir, true, Date.now());
  await nextSecond();
  expect(await run('domain rotate')).toMatchObject({ code: 0 });
});

test('a domain’s key before that cannot be read keeps no other out of what is printed, and is told', async () => {
  const whole = await run('dns zone');
  await rename(data('domain.key'), join(folder, 'domain.key'));
  await writeFile(data('domain.key'), 'damaged', { mode: 0o604 });
  const exposed = await run('dns zone');
  expect(exposed).toMatchObject({ code: 1, err: expect.stringContaining(`chmod 600 ${data('domain.key')}`) });
  await chmod(data('domain.key'), 0o600);
  const damaged = await run('dns zone');
  expect(damaged).toMatchObject({ code: 1, err: expect.stringContaining(`${data('domain.key')} holds no`) });
  expect(damaged.out.match(/ IN OPENPGPKEY /g)).toHaveLength(3);
  await rename(join(folder, 'domain.key'), data('domain.key'));
  expect(await run('dns zone')).toEqual(whole);
});

test('domain renew takes no size that no message has', async () => {
  const before = await readFile(data('a.test.zone'), 'utf8');
  for (const size of ['0B', '25000001B', '3GB', 'much']) {
    const refused = await run(`domain renew --size ${size}`);
    expect(refused).toMatchObject({ code: 64, out: '', err: expect.stringContaining('25MB') });
  }
  expect(await readFile(data('a.test.zone'), 'utf8')).toBe(before);
  expect(await run('domain renew --size 25MB')).toMatchObject({ code: 0 });
});

test('domain renew writes the record anew for the same key', async () => {
  const record = async () => {
    const parsed = parseZone(await readFile(data('a.test.zone'), 'utf8'), Date.now() / 1_000);
    if (parsed.kind !== 'record') throw new Error(parsed.reason);
    return parsed.record;
  };
  const before = await record();
  const renewed = await run('domain renew --holds 10d --tls prefer --mix no --size 1MB');
  expect(renewed).toMatchObject({ code: 0 });
  const after = await record();
  expect(after).toMatchObject({
    fingerprint: before.fingerprint,
    tls: 'prefer',
    mix: false,
    maxBytes: 1_000_000,
  });
  expect(Math.round((after.expires - Date.now() / 1_000) / 86_400)).toBe(10);
  expect(await run('domain renew')).toMatchObject({ code: 0 });
  expect(await record()).toMatchObject({ tls: 'prefer', mix: false });
  expect((await record()).expires).toBeGreaterThan(before.expires - 86_400);
});

test('the commands by which a domain takes nothing from mixes, as the page on abuse has them', async () => {
  const page = await readFile(new URL('../../../docs/operations/abuse.md', import.meta.url), 'utf8');
  const commands = [...page.matchAll(/^postern-node (domain renew .*|dns zone .*)$/gm)].map(
    ([, line]) => line,
  );
  const said = async (): Promise<string[]> =>
    (await zone())
      .filter((line) => line.startsWith('_securemail.'))
      .map((line) => /mix=\w+/.exec(line)?.[0] ?? '');
  await run('domain renew --mix yes');
  expect(await said()).toEqual(['mix=ok']);
  const outs: string[] = [];
  for (const command of commands) {
    const ended = await run((command ?? '').replace('/etc/postern/node.toml', join(folder, 'node.toml')));
    expect(ended).toMatchObject({ code: 0 });
    outs.push(ended.out);
  }
  expect(commands).toHaveLength(2);
  expect(outs.at(-1)).toMatch(/^_securemail\.a\.test\. IN TXT "v=SM1;.* mix=no;/m);
});
