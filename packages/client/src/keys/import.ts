import type { Key, PrivateKey, PublicKey } from 'openpgp';
import { ClientError } from '../errors.ts';
import { fingerprintOf, flawOf, mailboxesOf, readKeyFile, storedMailbox } from './certificate.ts';
import type { KeyFiles } from './files.ts';
import { describe, type KeyInfo, pinOf } from './info.ts';
import { dayOf, type KeySource } from './pins.ts';
import type { ImportOptions } from './store.ts';
import { lock } from './unlock.ts';

/** Takes every key of a file, or none: all checks come before the first write. */
export async function importKeys(
  files: KeyFiles,
  content: Uint8Array,
  options: ImportOptions & { readonly source?: KeySource },
  now: Date,
): Promise<KeyInfo[]> {
  const keys = await readKeyFile(content, 'the file');
  const admitted: Admitted[] = [];
  for (const key of keys) admitted.push(await admit(files, key, options, now));
  refuseTwoForOne(admitted);
  const listed: KeyInfo[] = [];
  for (const each of admitted) listed.push(...(await keep(files, each, options.source ?? 'file', now)));
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
  // What is pinned learns what became of it, a revocation above all, whatever else the file lacks.
  const known = await pinnedFor(files, fingerprint);
  const claimed = await mailboxesOf(key, now);
  const mailboxes =
    known.length > 0 && options.mailboxes === undefined && claimed.length !== 1
      ? known
      : chosenMailboxes(fingerprint, claimed, options.mailboxes);
  const flaw = await flawOf(key, now);
  const unasked = options.mailboxes === undefined && known.length > 0;
  if (
    flaw !== undefined &&
    !key.isPrivate() &&
    !unasked &&
    !mailboxes.every((each) => known.includes(each))
  ) {
    throw new ClientError('bad-file', `the certificate ${fingerprint} ${flaw}`, {
      hint: 'Ask its owner for a newer one.',
    });
  }
  // A secret key past its time still opens old messages, but nobody shall write to it.
  const pinFor = [...new Set(flaw === undefined ? [...known, ...mailboxes] : known)];
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

async function pinnedFor(files: KeyFiles, fingerprint: string): Promise<string[]> {
  const found: string[] = [];
  for (const mailbox of await files.mailboxes()) {
    const pinned = await files.certificate(mailbox);
    if (pinned !== undefined && fingerprintOf(pinned) === fingerprint) found.push(mailbox);
  }
  return found;
}

/** Which of the two would be pinned, the order in the file would decide. */
function refuseTwoForOne(admitted: readonly Admitted[]): void {
  const taken = new Map<string, string>();
  for (const { certificate, mailboxes } of admitted) {
    const fingerprint = fingerprintOf(certificate);
    for (const mailbox of mailboxes) {
      const other = taken.get(mailbox) ?? fingerprint;
      taken.set(mailbox, fingerprint);
      if (other === fingerprint) continue;
      throw new ClientError(
        'key-conflict',
        `the file brings two keys for ${mailbox}: ${other} and ${fingerprint}`,
        { hint: 'Ask the owner by another way which is theirs, and import that one alone.' },
      );
    }
  }
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
  source: KeySource,
  now: Date,
): Promise<KeyInfo[]> {
  const owned = secret ?? (await files.secret(fingerprintOf(certificate)));
  const listed: KeyInfo[] = [];
  let own = owned;
  for (const mailbox of mailboxes) {
    const pinned = await files.certificate(mailbox);
    const same = pinned !== undefined && fingerprintOf(pinned) === fingerprintOf(certificate);
    const kept = same ? await merge(pinned, certificate, now) : certificate;
    await files.putCertificate(mailbox, kept);
    const pin = same ? await pinOf(files, mailbox, kept) : undefined;
    if (pin === undefined && owned === undefined)
      await files.pins.write(mailbox, { fingerprint: fingerprintOf(kept), source, since: dayOf(now) });
    own = own === undefined ? undefined : await merge(own, kept, now);
    listed.push(await describe(mailbox, own ?? kept, own === undefined ? 'pinned' : 'own', now, files));
  }
  if (own !== undefined) await files.putSecret(own);
  if (mailboxes.length > 0 || secret === undefined) return listed;
  const [mailbox = ''] = await mailboxesOf(secret, now);
  return [await describe(mailbox, secret, 'retired', now, files)];
}

/** The key with what a certificate of the same fingerprint says besides. */
async function merge<T extends Key>(key: T, certificate: PublicKey, now: Date): Promise<T> {
  const merged = (await key.update(certificate, now)) as T;
  // The library leaves out a revocation that it has not checked before.
  const isRevoked = await certificate.isRevoked(undefined, undefined, now);
  if (isRevoked && !(await merged.isRevoked(undefined, undefined, now)))
    merged.revocationSignatures.push(...certificate.revocationSignatures);
  return merged;
}
