import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';

/** What a foreign program made of a sealed message. */
export interface Read {
  readonly plaintext: Buffer;
  /** Fingerprints of the keys whose signatures it calls good, upper case. */
  readonly signers: readonly string[];
}

/** Armored keys, as `postern keys export` prints them. */
export interface ReaderKeys {
  /** The recipient's secret key and its passphrase. */
  readonly secret: Buffer;
  readonly passphrase: string;
  /** The author's certificate. */
  readonly author: Buffer;
}

/** GnuPG with nothing but these keys: the message as it lies in the Maildir on standard input. */
export async function readWithGpg(message: Uint8Array, keys: ReaderKeys): Promise<Read> {
  const home = await mkdtemp(join(tmpdir(), 'gpg-'));
  const env = { GNUPGHOME: home };
  const gpg = (args: readonly string[], input: Uint8Array) =>
    done('gpg', ['--batch', '--no-tty', ...args], { env, input });
  try {
    const passphrase = ['--pinentry-mode', 'loopback', '--passphrase-file', join(home, 'passphrase')];
    await writeFile(join(home, 'passphrase'), keys.passphrase, { mode: 0o600 });
    await gpg(['--import'], keys.author);
    await gpg([...passphrase, '--import'], keys.secret);
    const status = join(home, 'status');
    const plaintext = await gpg([...passphrase, '--status-file', status, '--decrypt'], message);
    const lines = (await done('cat', [status])).toString('utf8').split('\n');
    const good = lines.some((line) => line.startsWith('[GNUPG:] GOODSIG '));
    // VALIDSIG ends with the fingerprint of the primary key.
    const signers = lines.flatMap((line) => /^\[GNUPG:\] VALIDSIG .* ([0-9A-F]{40})$/.exec(line)?.[1] ?? []);
    return { plaintext, signers: good ? signers : [] };
  } finally {
    await command('gpgconf', ['--kill', 'all'], { env });
    await rm(home, { recursive: true, force: true });
  }
}

/** Sequoia's `sq`, which takes files and a secret key without a passphrase. */
export async function readWithSq(
  message: Uint8Array,
  keys: Pick<ReaderKeys, 'secret' | 'author'>,
): Promise<Read> {
  const folder = await mkdtemp(join(tmpdir(), 'sq-'));
  try {
    const paths = {
      secret: join(folder, 'secret'),
      author: join(folder, 'author'),
      message: join(folder, 'message'),
    };
    await writeFile(paths.secret, keys.secret, { mode: 0o600 });
    await writeFile(paths.author, keys.author);
    await writeFile(paths.message, message);
    const args = ['decrypt', '--signer-cert', paths.author, '--recipient-key', paths.secret, paths.message];
    const { code, stdout, stderr } = await command('sq', args);
    if (code !== 0) throw new Error(`sq ended with ${code}: ${stderr}`);
    const signers = [...stderr.matchAll(/Good signature from ([0-9A-F]+)/gi)].map(([, key = '']) => key);
    return { plaintext: stdout, signers };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function done(file: string, args: readonly string[], options = {}): Promise<Buffer> {
  const { code, stdout, stderr } = await command(file, args, options);
  if (code !== 0) throw new Error(`${file} ${args.at(-1)} ended with ${code}: ${stderr}`);
  return stdout;
}
