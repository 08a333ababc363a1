import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type Clock, ExitCode, type Log } from '@postern/runtime';
import { NodeError } from './errors.ts';
import { readOpenFile, readSecret } from './keys/files.ts';
import { type Loop, startLoop } from './loop.ts';

/** PEM. */
export interface Pair {
  readonly key: string;
  readonly cert: string;
}

/** A certificate that others make and renew, in two files. */
export interface CertificateFiles {
  current(): Pair;
  /** Calls `show` whenever the files hold another one. While they hold none that can be used, or `show` throws, the last one stays. */
  start(show: (pair: Pair) => void): Loop;
}

/** How soon another one is taken up. */
const everyMs = 10_000;

/** `paths`: of the private key, and of the certificate with the chain behind it. Throws `NodeError` `missing-key-file`, `wrong-key-file`, `key-file-io`, and `UserError` `exposed`. */
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
        show(found);
        pair = found;
        refused = undefined;
        log.info('authors are shown another certificate');
      }),
  };
}

function check({ key, cert }: Pair, paths: Pair): void {
  try {
    // What TLS refuses besides, such as a weak key or a chain that is cut short, it had better refuse now.
    createSecureContext({ key, cert });
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return;
  } catch {
    // The cause may show what stands in the file.
  }
  throw new NodeError(
    'wrong-key-file',
    `${paths.cert} holds no certificate that TLS takes with the key in ${paths.key}`,
    {
      exitCode: ExitCode.config,
      hint: 'Both must be PEM and strong enough for TLS, and the certificate, before its whole chain, must be for this key.',
    },
  );
}

async function read({ key, cert }: Pair): Promise<Pair> {
  const ifMissing = 'Correct tls_key and tls_cert in the section [submission].';
  // Whatever renews it may have a group of its own that reads it.
  const secret = { what: 'the key', ifMissing, forbidden: 0o007 };
  return {
    key: Buffer.from(await readSecret(key, secret)).toString('utf8'),
    cert: Buffer.from(await readOpenFile(cert, ifMissing)).toString('utf8'),
  };
}

function same(a: Pair, b: Pair | undefined): boolean {
  return a.key === b?.key && a.cert === b.cert;
}
