import { execFileSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spkiPin } from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { createIdentity, openFolder } from './debian.ts';
import { havePostfix } from './postfix.ts';

const infra = (path: string): Promise<string> =>
  readFile(new URL(`../../infra/${path}`, import.meta.url), 'utf8');
const files = [
  ...['main.cf', 'master.cf', 'transport', 'tls_policy', 'relay_senders', 'relay_own', 'mailboxes'].map(
    (name) => `postfix/${name}`,
  ),
  'dovecot/dovecot.conf',
];

describe('the page about the mail server beside a gateway', () => {
  test('names every name to fill in, and no other', async () => {
    const namesIn = (text: string): string[] => [...text.matchAll(/@([A-Z_]+)@/g)].map(([name]) => name);
    const used = new Set((await Promise.all(files.map(infra))).flatMap(namesIn));
    expect([...new Set(namesIn(await infra('README.md')))].sort()).toEqual([...used].sort());
  });

  test.skipIf(!havePostfix)('has the command that prints the fingerprint', async () => {
    const command = /^openssl .*$/m.exec(await infra('README.md'))?.[0] ?? '';
    const folder = await openFolder('fingerprint');
    const { cert } = createIdentity('gateway.b.test');
    await writeFile(join(folder, 'tls.crt'), cert);
    const printed = execFileSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' });
    expect(printed.trim().split(' ').at(-1)?.replaceAll(':', '')).toBe(spkiPin(cert));
    await rm(folder, { recursive: true });
  });
});
