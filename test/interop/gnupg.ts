import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** A GnuPG home of its own, with its own agent. */
export interface GnuPg {
  /** Runs gpg without asking anybody anything. */
  run(args: readonly string[], input?: Uint8Array | string): Ran;
  /** Makes a key that signs and, unless told otherwise, encrypts. Gives its fingerprint. */
  makeKey(userId: string, algorithms?: { sign: string; encrypt: string }): string;
  [Symbol.dispose](): void;
}

export const haveGnuPg: boolean = run('gpg', ['--version']).stdout.toString().startsWith('gpg (GnuPG) 2.');
export const haveSequoia: boolean = run('sq', ['--version']).stdout.toString().startsWith('sq ');

export function run(
  command: string,
  args: readonly string[],
  input: Uint8Array | string = '',
  env = {},
): Ran {
  const ran = spawnSync(command, args, { input, env: { ...process.env, ...env }, maxBuffer: 100_000_000 });
  return { code: ran.status, stdout: ran.stdout ?? Buffer.of(), stderr: String(ran.stderr ?? ran.error) };
}

export function startGnuPg(): GnuPg {
  // Directly below the temporary folder: the name of the agent's socket has 107 bytes at most.
  const home = mkdtempSync(join(tmpdir(), 'gpg-'));
  const env = { GNUPGHOME: home, LC_ALL: 'C' };
  const gpg = (args: readonly string[], input?: Uint8Array | string): Ran =>
    run('gpg', ['--batch', '--no-tty', '--yes', '--trust-model', 'always', ...args], input, env);
  const must = (args: readonly string[]): Ran => {
    const ran = gpg(args);
    if (ran.code !== 0) throw new Error(`gpg ${args.join(' ')}: ${ran.stderr}`);
    return ran;
  };
  const unlocked = ['--pinentry-mode', 'loopback', '--passphrase', ''];
  return {
    run: gpg,
    makeKey(userId, { sign, encrypt } = { sign: 'ed25519', encrypt: 'cv25519' }) {
      const { stderr, stdout } = must([
        ...unlocked,
        '--status-fd',
        '1',
        '--quick-generate-key',
        userId,
        sign,
        'sign',
        'never',
      ]);
      const fingerprint = /KEY_CREATED P ([0-9A-F]{40})/.exec(stdout.toString())?.[1];
      if (fingerprint === undefined) throw new Error(stderr);
      must([...unlocked, '--quick-add-key', fingerprint, encrypt, 'encr', 'never']);
      return fingerprint.toLowerCase();
    },
    [Symbol.dispose]() {
      run('gpgconf', ['--kill', 'all'], '', env);
      rmSync(home, { recursive: true, force: true });
    },
  };
}
