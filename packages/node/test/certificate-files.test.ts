import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '@postern/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { openCertificateFiles, type Pair } from '../src/certificate-files.ts';
import { createCertificate } from '../src/keys/certificate.ts';
import { fakeClock, until } from './support.ts';

test('a certificate that is renewed is taken up; what cannot be used is told once, and the last one stays', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'postern-files-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const first = await createCertificate(folder, 'a.test', systemRandom);
  const second = await createCertificate(folder, 'a.test', systemRandom);
  const paths = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') };
  const write = async ({ key, cert }: Pair): Promise<void> => {
    await writeFile(paths.key, key, { mode: 0o640 });
    await writeFile(paths.cert, cert);
  };
  const clock = fakeClock(0);
  const errors: string[] = [];
  const log = {
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: (message: string) => void errors.push(message),
  };
  await expect(openCertificateFiles(paths, { clock, log })).rejects.toMatchObject({
    code: 'missing-key-file',
  });
  await write({ key: first.key, cert: second.cert });
  await expect(openCertificateFiles(paths, { clock, log })).rejects.toMatchObject({ code: 'wrong-key-file' });

  await write(first);
  await chmod(paths.key, 0o644);
  await expect(openCertificateFiles(paths, { clock, log })).rejects.toMatchObject({
    code: 'exposed',
    exitCode: 77,
    hint: `Close it with: chmod o= ${paths.key}`,
  });
  await chmod(paths.key, 0o640);

  const cutShort = { key: second.key, cert: second.cert + first.cert.slice(0, 200) };
  await write(cutShort);
  await expect(openCertificateFiles(paths, { clock, log })).rejects.toMatchObject({ code: 'wrong-key-file' });

  await write(first);
  const files = await openCertificateFiles(paths, { clock, log });
  const shown: string[] = [];
  let refuses = true;
  const loop = files.start(({ cert }) => {
    if (refuses) throw new Error('it is not taken');
    shown.push(cert);
  });
  onTestFinished(() => loop.stop());
  const look = async (): Promise<void> => clock.advance(60_000);
  await write({ key: first.key, cert: second.cert }); // a renewal writes one file after the other
  await until(async () => {
    await look();
    return errors.length > 0;
  });
  for (let looks = 0; looks < 20; looks++) {
    await look();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(errors).toHaveLength(1);
  expect(shown).toEqual([]);
  expect(files.current().cert).toBe(first.cert);
  await write(cutShort);
  await until(async () => {
    await look();
    return errors.length > 1;
  });
  const third = await createCertificate(folder, 'a.test', systemRandom);
  await write(third);
  await until(async () => {
    await look();
    return errors.length > 2;
  });
  expect(files.current().cert).toBe(first.cert);
  refuses = false;
  await write(second);
  await until(async () => {
    await look();
    return shown.length > 0;
  });
  expect(shown).toEqual([second.cert]);
  expect(files.current()).toMatchObject({ key: second.key, cert: second.cert });
});
