import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { failed, none, type Source } from './source.ts';

/**
 * The person's GnuPG keyring. All of it is read and searched here: who is written to does not belong into arguments, which other
 * processes can see.
 */
export function keyringSource(home: string): Source {
  return async (_mailbox, signal) => {
    try {
      const { stdout } = await promisify(execFile)(
        'gpg',
        ['--batch', '--no-tty', '--homedir', home, '--export'],
        {
          encoding: 'buffer',
          maxBuffer: 64_000_000,
          timeout: 30_000,
          ...(signal === undefined ? {} : { signal }),
        },
      );
      return stdout.length === 0 ? none('the keyring is empty') : { kind: 'found', content: [stdout] };
    } catch (error) {
      signal?.throwIfAborted();
      // What gpg says may name keys.
      const { code = 'no answer' } = error as { code?: string | number };
      return failed(`gpg cannot read the keyring in ${home} (${code})`);
    }
  };
}
