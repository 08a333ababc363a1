import type { PrivateKey, PublicKey } from 'openpgp';
import { ClientError } from '../errors.ts';
import { fingerprintOf, flawOf, mailboxesOf, readKeyFile, storedMailbox } from './certificate.ts';
import type { KeyFiles } from './files.ts';
import { describe, type KeyInfo } from './info.ts';
import type { ImportOptions } from './store.ts';
import { lock } from './unlock.ts';

/** Takes every key of a file, or none: all checks come before the first write. */
export async function importKeys(
  files: KeyFiles,
  content: Uint8Array,
  options: ImportOptions,
  now: Date,
): Promise<KeyInfo[]> {
  const keys = await readKeyFile(content, 'the file');
  const admitted: Admitted[] = [];
  for (const key of keys) admitted.push(await admit(files, key, options, now));
  const listed: KeyInfo[] = [];
  for (const each of admitted) listed.push(...(await keep(files, each, now)));
  return listed;
}

/** A key that may be kept, and the mailboxes that it will be pinned for. */
interface Admitted {
  readonly certificate: PublicKey;
  readonly secret: PrivateKey | undefined;
  readonly mailboxes: readonly string[];
}

async function admit(
  files: KeyFiles,
  key: PublicKey | PrivateKey,
  options: ImportOptions,
  now: Date,
): Promise<Admitted> {
  const fingerprint = fingerprintOf(key);
  const mailboxes = chosenMailboxes(fingerprint, await mailboxesOf(key, now), options.mailboxes);
  const flaw = await flawOf(key, now);
  if (flaw !== undefined && !key.isPrivate()) {
    throw new ClientError('bad-file', `the certificate ${fingerprint} ${flaw}`, {
      hint: 'Ask its owner for a newer one.',
    });
  }
  // A secret key past its time still opens old messages, but nobody shall write to it.
  const pinFor = flaw === undefined ? mailboxes : [];
  for (const mailbox of pinFor) {
    const pinned = await files.certificate(mailbox);
    if (pinned === undefined || fingerprintOf(pinned) === fingerprint || options.replace) continue;
    throw new ClientError(
      'key-conflict',
      `ANOTHER KEY IS PINNED for ${mailbox}: ${fingerprintOf(pinned)}, and the file brings ${fingerprint}`,
      { hint: 'Ask the owner by another way which is theirs. Only then take it with --replace.' },
    );
  }
  const secret = key.isPrivate() ? await protectedSecret(files, key, options) : undefined;
  return { certificate: key.isPrivate() ? key.toPublic() : key, secret, mailboxes: pinFor };
}

function chosenMailboxes(
  fingerprint: string,
  claimed: readonly string[],
  wanted: readonly string[] | undefined,
): readonly string[] {
  if (claimed.length === 0) {
    throw new ClientError('bad-file', `the key ${fingerprint} names no mailbox in a valid user id`);
  }
  if (wanted === undefined) {
    if (claimed.length === 1) return claimed;
    throw new ClientError(
      'wrong-use',
      `the key ${fingerprint} claims several mailboxes: ${claimed.join(', ')}`,
      {
        hint: 'Say with --mailbox for which of them it shall be pinned; a key may claim what is not its own.',
      },
    );
  }
  const chosen = wanted.map((text) => storedMailbox(text) ?? text);
  const missing = chosen.filter((mailbox) => !claimed.includes(mailbox));
  if (missing.length === 0) return chosen;
  throw new ClientError('bad-file', `the key ${fingerprint} does not name ${missing.join(', ')}`, {
    hint: `It names ${claimed.join(', ')}.`,
  });
}

async function protectedSecret(
  files: KeyFiles,
  key: PrivateKey,
  { replace, protection }: ImportOptions,
): Promise<PrivateKey> {
  if (!replace && (await files.secret(fingerprintOf(key))) !== undefined) {
    throw new ClientError('exists', `the secret key ${fingerprintOf(key)} is here already`, {
      hint: 'With --replace the file takes its place, and its passphrase counts.',
    });
  }
  if (!key.isDecrypted()) return key;
  const chosen = await protection?.();
  if (chosen === undefined) {
    throw new ClientError('wrong-passphrase', 'the file holds a secret key without a passphrase', {
      hint: 'Give it one with --passphrase-file or in a terminal, or keep it as it is with --no-passphrase.',
    });
  }
  return 'passphrase' in chosen ? lock(key, chosen.passphrase) : key;
}

async function keep(
  files: KeyFiles,
  { certificate, secret, mailboxes }: Admitted,
  now: Date,
): Promise<KeyInfo[]> {
  if (secret !== undefined) await files.putSecret(secret);
  const listed: KeyInfo[] = [];
  const owned = secret ?? (await files.secret(fingerprintOf(certificate)));
  for (const mailbox of mailboxes) {
    const pinned = await files.certificate(mailbox);
    const same = pinned !== undefined && fingerprintOf(pinned) === fingerprintOf(certificate);
    await files.putCertificate(mailbox, same ? await pinned.update(certificate, now) : certificate);
    listed.push(await describe(mailbox, owned ?? certificate, owned === undefined ? 'pinned' : 'own', now));
  }
  if (mailboxes.length > 0 || secret === undefined) return listed;
  const [mailbox = ''] = await mailboxesOf(secret, now);
  return [await describe(mailbox, secret, 'retired', now)];
}
