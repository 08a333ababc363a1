import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, systemClock, systemRandom } from '@postern/runtime';
import { expect, test } from 'vitest';
import { openSpool } from './open.ts';

test('a password for Redis that others may read is not taken, and not shown', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-open-'));
  const passwordFile = join(folder, 'redis-password');
  await writeFile(passwordFile, 'a secret');
  await chmod(passwordFile, 0o640);
  const redis = { address: { path: join(folder, 'redis.sock') }, passwordFile, vouched: false };
  const spool = { maxBytes: 1, reserveBytes: 0, redis };
  const context = { clock: systemClock, random: systemRandom, log: silentLog, unitBytes: 1, nodeId: '' };
  const open = (): Promise<unknown> => openSpool({ dataDir: folder, name: 'mix1.test', spool }, context);
  await expect(open()).rejects.toMatchObject({
    code: 'exposed',
    exitCode: 77,
    message: `others may get at the password in ${passwordFile}`,
    hint: `Close it with: chmod 600 ${passwordFile}`,
  });
  await chmod(passwordFile, 0o600);
  await expect(open()).rejects.toMatchObject({ code: 'spool-io' });
  await rm(passwordFile);
  await expect(open()).rejects.toMatchObject({ code: 'missing-key-file', exitCode: 78 });
  await rm(folder, { recursive: true });
});
