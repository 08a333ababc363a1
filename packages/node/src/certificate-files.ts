import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type Clock, ExitCode, type Log } from '@postern/runtime';
import { NodeError } from './errors.ts';
import { type Loop, startLoop } from './loop.ts';

/** PEM. */
export interface Pair {
  readonly key: string;
  readonly cert: string;
}

/** A certificate that others make and renew, in two files. */
export interface CertificateFiles {
  current(): Pair;
  /** Calls `show` whenever the files hold another one. While they hold none that can be used, the last one stays. */
  start(show: (pair: Pair) => void): Loop;
}

/** How soon another one is taken up. */
const everyMs = 10_000;

/** `paths`: of the private key, and of the certificate with the chain behind it. Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function openCertificateFiles(
  paths: Pair,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<CertificateFiles> {
  let pair = await read(paths);
  check(pair, paths);
  let refused: Pair | undefined;
  return {
    current: () => pair,
    start: (show) =>
      startLoop({ clock, log, trouble: 'the certificate for authors cannot be read' }, async (stop) => {
        await clock.wait(clock.now() + everyMs, stop);
        const found = await read(paths);
        if (same(found, pair) || same(found, refused)) return;
        refused = found; // told once, not at every look
        check(found, paths);
        pair = found;
        show(pair);
        log.info('authors are shown another certificate');
      }),
  };
}

function check({ key, cert }: Pair, paths: Pair): void {
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return;
  } catch {
    // The cause may show what stands in the file.
  }
  throw new NodeError('wrong-key-file', `${paths.cert} holds no certificate of the key in ${paths.key}`, {
    exitCode: ExitCode.config,
    hint: 'Both must be PEM, and the certificate, before its chain, must be for this key.',
  });
}

async function read({ key, cert }: Pair): Promise<Pair> {
  return { key: await readPem(key), cert: await readPem(cert) };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new NodeError('missing-key-file', `${path} cannot be read`, {
      cause,
      exitCode: ExitCode.config,
      hint: 'Correct tls_key and tls_cert in the section [submission].',
    });
  }
}

function same(a: Pair, b: Pair | undefined): boolean {
  return a.key === b?.key && a.cert === b.cert;
}
