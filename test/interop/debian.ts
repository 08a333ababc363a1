import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdtemp } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether these programs of Debian are installed and may be run as they need to be. */
export async function haveAsRoot(...programs: string[]): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const found = programs.map((path) =>
    access(path, constants.X_OK).then(
      () => true,
      () => false,
    ),
  );
  return (await Promise.all(found)).every(Boolean);
}

/** A folder of one's own that every user may enter. */
export async function openFolder(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `postern-${name}-`));
  execFileSync('chmod', ['755', folder]);
  return folder;
}

/** A port that was free a moment ago. */
export function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, host, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
    server.once('error', reject);
  });
}

/** A key on P-256 and a certificate for it, as PEM. */
export function createIdentity(name: string): { key: string; cert: string } {
  const both = execFileSync(
    '/usr/bin/openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '3650',
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=DNS:${name}`,
      '-keyout',
      '-',
      '-out',
      '-',
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const pem = (kind: string): string =>
    new RegExp(`-----BEGIN ${kind}-----.*-----END ${kind}-----\n`, 's').exec(both)?.[0] ?? '';
  return { key: pem('PRIVATE KEY'), cert: pem('CERTIFICATE') };
}

/** Resolves once `holds`; the test's own limit is the only one. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}
