import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ClientError } from '../../errors.ts';
import { storedMailbox } from '../certificate.ts';
import { failed, none, type Source } from './source.ts';

/**
 * The person's GnuPG keyring. All of it is read and searched here: who is written to does not belong into arguments, which other
 * processes can see. A keyring holds what anybody sent or a server gave: only what GnuPG calls valid for the mailbox is vouched for.
 */
export function keyringSource(home: string): Source {
  return async ({ local, domain }, signal) => {
    await access(home).catch((cause) => {
      throw new ClientError('no-gnupg', `there is no GnuPG keyring in ${home}`, { cause, hint });
    });
    try {
      const exported = await gpg(home, ['--export'], signal);
      if (exported.length === 0) return none('the keyring is empty');
      const listed = await gpg(home, ['--with-colons', '--list-keys'], signal);
      const vouched = validFor(`${local}@${domain}`.toLowerCase(), listed.toString());
      return { kind: 'found', content: [exported], vouched };
    } catch (error) {
      signal?.throwIfAborted();
      // What gpg says may name keys.
      const { code = 'no answer' } = error as { code?: string | number };
      if (code === 'ENOENT')
        throw new ClientError('no-gnupg', 'there is no gpg to read the keyring', { hint });
      return failed(`gpg cannot read the keyring in ${home} (${code})`);
    }
  };
}

const hint = 'Install GnuPG and name its home in keys.gnupg, or leave that setting out.';

async function gpg(home: string, args: readonly string[], signal: AbortSignal | undefined): Promise<Buffer> {
  const { stdout } = await promisify(execFile)('gpg', ['--batch', '--no-tty', '--homedir', home, ...args], {
    encoding: 'buffer',
    maxBuffer: 64_000_000,
    timeout: 30_000,
    ...(signal === undefined ? {} : { signal }),
  });
  return stdout;
}

/** Fingerprints of the keys of which a user id of the mailbox is fully or ultimately valid (GnuPG's doc/DETAILS, "Format of the colon listings"). */
export function validFor(mailbox: string, listing: string): ReadonlySet<string> {
  const valid = new Set<string>();
  let fingerprint: string | undefined;
  for (const line of listing.split('\n')) {
    const fields = line.split(':');
    const [type, validity = ''] = fields;
    const value = fields[9] ?? '';
    if (type === 'pub') fingerprint = undefined;
    // Those of the subkeys come after.
    else if (type === 'fpr') fingerprint ??= value.toUpperCase();
    else if (type === 'uid' && /^[fu]/.test(validity) && mailboxIn(value) === mailbox && fingerprint)
      valid.add(fingerprint);
  }
  return valid;
}

function mailboxIn(field: string): string | undefined {
  const userId = field.replace(/\\x([0-9a-f]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return storedMailbox(/<([^<>]*)>$/.exec(userId)?.[1] ?? userId);
}
