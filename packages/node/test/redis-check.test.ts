import { execFileSync } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig, silentLog, systemClock, systemRandom } from '@postern/runtime';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { NodeError } from '../src/errors.ts';
import { createCertificate } from '../src/keys/certificate.ts';
import { openSpool } from '../src/queue/open.ts';
import { spoolSection } from '../src/spool-config.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { openAt } from './redis-spool.ts';
import { fragment, relayVerdict, unit } from './spool-contract.ts';

describe.skipIf(!haveRedis)('opening a spool in Redis', () => {
  let folder = '';
  let server: RedisServer;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-redis-'));
    server = await startRedis(folder);
  });
  afterAll(() => server.stop());
  afterEach(async () => void (await server.ask('FLUSHALL')));

  /** One input, one relay, one complete set and one that lacks a fragment, all given back. */
  async function fill(): Promise<void> {
    await using spool = await openAt(server.socket);
    const settle = async (kind: 'packet' | 'exit', verdict: Parameters<typeof spool.settle>[1]) => {
      await spool.accept(unit(kind));
      const [input] = await spool.claimInputs(kind, 1);
      return spool.settle(input?.id ?? '', verdict);
    };
    await settle('packet', relayVerdict({ dueMs: 0 }));
    const expires = Math.floor(Date.now() / 1_000) + 86_400;
    await settle('exit', { kind: 'fragment', fragment: fragment({ expires }) });
    await settle('exit', { kind: 'fragment', fragment: fragment({ expires, k: 2, n: 2 }) });
    await spool.accept(unit());
  }
  const keys = async (pattern: string): Promise<string[]> =>
    (await server.ask('KEYS', `{postern:test}:${pattern}`)) as string[];

  test('another node’s spool is not opened, and stays as it is', async () => {
    await using own = await openAt(server.socket);
    await own.accept(unit());
    const hash = await server.ask('HGETALL', '{postern:test}:spool');
    const foreign = openAt(server.socket, { nodeId: 'cd'.repeat(32) });
    await expect(foreign).rejects.toMatchObject({
      code: 'spool-foreign',
      hint: expect.stringContaining('name'),
    });
    expect(await server.ask('HGETALL', '{postern:test}:spool')).toEqual(hash);
    expect(await own.claimInputs('packet', 1)).toHaveLength(1);
  });

  test('the spool names the chain of mix keys that was there first, and whose turn it is', async () => {
    await using one = await openAt(server.socket);
    await using other = await openAt(server.socket);
    expect(await one.shared?.lineage.read()).toBeUndefined();
    expect(await one.shared?.lineage.claim('aa')).toBe('aa');
    expect(await other.shared?.lineage.claim('bb')).toBe('aa');
    expect(await other.shared?.lineage.read()).toBe('aa');
    // One of them sweeps for all.
    expect(await other.shared?.takeTurn(60_000)).toBe(true);
    expect(await one.shared?.takeTurn(60_000)).toBe(false);
    await server.ask('DEL', '{postern:test}:turn');
    expect(await one.shared?.takeTurn(60_000)).toBe(true);
    // A spool that was lost names none under an old id.
    await server.ask('FLUSHALL');
    await expect(other.shared?.lineage.claim('bb')).rejects.toMatchObject({ code: 'spool-lost' });
    expect(await keys('spool')).toEqual([]);
  });

  test('rows whose jobs are gone get new ones', async () => {
    await fill();
    await server.ask('DEL', ...(await keys('jobs:*')));
    await using spool = await openAt(server.socket);
    expect(await spool.claimInputs('packet', 2)).toHaveLength(1);
    expect(await spool.relays.claim(2)).toHaveLength(1);
    expect(await spool.sets.claim(2)).toHaveLength(1);
  });

  test('jobs whose rows are gone end', async () => {
    await fill();
    for (const pattern of [
      'input:*',
      'relay:*',
      'bytes:*',
      'set:*',
      'fragments:*',
      'inputs',
      'relays',
      'open',
      'complete',
    ])
      await server.ask('DEL', ...(await keys(pattern)));
    {
      await using spool = await openAt(server.socket);
      expect(await spool.claimInputs('packet', 2)).toEqual([]);
      expect(await spool.relays.claim(2)).toEqual([]);
      expect(await spool.sets.claim(2)).toEqual([]);
    }
    expect((await keys('jobs:*')).filter((key) => /[0-9a-f]{32}/.test(key))).toEqual([]);
  });

  test.each([
    ['bytes', 'bytes:*'],
    ['fragments', 'fragments:*'],
  ])('what lacks its %s is damaged, and the spool is not opened', async (_, pattern) => {
    await fill();
    const [key = ''] = await keys(pattern);
    await server.ask('DEL', key);
    await expect(openAt(server.socket)).rejects.toMatchObject({ code: 'spool-damaged' });
  });

  test('another version’s spool is not opened', async () => {
    await fill();
    await server.ask('HSET', '{postern:test}:spool', 'format', '2');
    await expect(openAt(server.socket)).rejects.toMatchObject({ code: 'spool-damaged' });
  });

  test('as a node is configured: by TLS with a password from a file, to the server that the certificate names', async () => {
    const tls = await mkdtemp(join(folder, 'tls-'));
    await createCertificate(tls, 'localhost', systemRandom);
    await writeFile(join(tls, 'password'), 'secret\n', { mode: 0o600 });
    const [cert, key, other] = [
      join(tls, 'tls.crt'),
      join(tls, 'tls.key'),
      await mkdtemp(join(folder, 'other-')),
    ];
    await createCertificate(other, 'localhost', systemRandom);
    const port = await freePort();
    const options = [
      '--tls-port',
      String(port),
      '--tls-cert-file',
      cert,
      '--tls-key-file',
      key,
      '--tls-auth-clients',
      'no',
    ];
    const secured = await startRedis(await mkdtemp(join(tmpdir(), 'postern-redis-')), options);
    await secured.ask('CONFIG', 'SET', 'requirepass', 'secret');
    const open = (ca: string, host = 'localhost') => {
      const redis = { url: `rediss://${host}:${port}`, ca, password_file: join(tls, 'password') };
      const section = { store: 'redis', max_size: '100MB', redis };
      const spool = parseConfig(spoolSection, section, 'the configuration');
      const context = {
        clock: systemClock,
        random: systemRandom,
        log: silentLog,
        unitBytes: 32_768,
        nodeId: 'ab'.repeat(32),
      };
      return openSpool({ dataDir: folder, name: 'mix1.test', spool }, context);
    };
    try {
      await using spool = await open(cert);
      await spool.accept(unit());
      await spool.close();
      const foreign = join(other, 'tls.crt');
      await expect(open(foreign)).rejects.toMatchObject({
        code: 'spool-io',
        exitCode: 78,
        message: expect.stringContaining(`at rediss://localhost:${port} (DEPTH_ZERO_SELF_SIGNED_CERT)`),
        hint: expect.stringContaining(`${foreign}, which spool.redis.ca names`),
      });
      await expect(open(cert, '127.0.0.1')).rejects.toMatchObject({
        code: 'spool-io',
        exitCode: 78,
        hint: expect.stringContaining('not for 127.0.0.1'),
      });
      await expect(open(join(tls, 'missing'))).rejects.toMatchObject({
        code: 'missing-key-file',
        exitCode: 78,
      });
      // What it tells to type works as it stands there.
      const asSecured = { input: 'secret\n', encoding: 'utf8' } as const;
      execFileSync(
        'redis-cli',
        ['-s', secured.socket, '--askpass', 'CONFIG', 'SET', 'appendfsync', 'no'],
        asSecured,
      );
      const { hint } = (await open(cert).catch((error: unknown) => error)) as NodeError;
      const commands = (hint ?? '').split('\n');
      expect(commands).toHaveLength(2);
      for (const command of commands) expect(execFileSync('sh', ['-c', command], asSecured)).toContain('OK');
      await (await open(cert)).close();
    } finally {
      await secured.stop();
    }
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
