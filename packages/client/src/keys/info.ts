import type { Key, PrivateKey, PublicKey } from 'openpgp';
import { fingerprintOf, flawOf, mailboxesOf } from './certificate.ts';
import type { KeyFiles } from './files.ts';
import type { KeySource, Pin } from './pins.ts';

/**
 * What a key is to its holder. `own`: the secret key of one of their mailboxes. `retired`: a secret key that another has
 * replaced; it still opens old messages. `pinned`: somebody else's certificate.
 */
export type KeyKind = 'own' | 'retired' | 'pinned';

export interface KeyInfo {
  readonly mailbox: string;
  readonly fingerprint: string;
  readonly kind: KeyKind;
  readonly created: Date;
  readonly expires: Date | null;
  /** Whether a passphrase protects the secret key; absent for a certificate. */
  readonly protected?: boolean;
  /** Where somebody else's certificate is from, and since which day it is pinned: `2026-01-31`. */
  readonly source?: KeySource;
  readonly since?: string;
  /** Why it cannot be used now: `is revoked`, `expired on …`. */
  readonly flaw?: string;
}

/** Every key that is here: pinned and own by mailbox, then the retired. */
export async function listKeys(files: KeyFiles, now: Date): Promise<KeyInfo[]> {
  const secrets = new Set(await files.fingerprints());
  const retired = new Set(secrets);
  const listed: KeyInfo[] = [];
  for (const mailbox of await files.mailboxes()) {
    const certificate = await files.certificate(mailbox);
    if (certificate === undefined) continue;
    const fingerprint = fingerprintOf(certificate);
    // one key may be that of several of their mailboxes
    const secret = secrets.has(fingerprint) ? await files.secret(fingerprint) : undefined;
    retired.delete(fingerprint);
    listed.push(
      await describe(mailbox, secret ?? certificate, secret === undefined ? 'pinned' : 'own', now, files),
    );
  }
  for (const fingerprint of retired) {
    const secret = await files.secret(fingerprint);
    if (secret === undefined) continue;
    const [mailbox = ''] = await mailboxesOf(secret, now);
    listed.push(await describe(mailbox, secret, 'retired', now, files));
  }
  return listed;
}

/** A key as it is shown. */
export async function describe(
  mailbox: string,
  key: PublicKey | PrivateKey,
  kind: KeyKind,
  now: Date,
  files: KeyFiles,
): Promise<KeyInfo> {
  const expires = await key.getExpirationTime();
  const flaw = await flawOf(key, now);
  const pin = kind === 'pinned' ? await pinOf(files, mailbox, key) : undefined;
  return {
    mailbox,
    fingerprint: fingerprintOf(key),
    kind,
    created: key.getCreationTime(),
    expires: expires instanceof Date ? expires : null,
    ...(key.isPrivate() ? { protected: !key.isDecrypted() } : {}),
    ...(pin === undefined ? {} : { source: pin.source, since: pin.since }),
    ...(flaw === undefined ? {} : { flaw }),
  };
}

/** How this certificate came to be pinned; nothing for one from before that was noted. */
export async function pinOf(files: KeyFiles, mailbox: string, key: Key): Promise<Pin | undefined> {
  const pin = await files.pins.read(mailbox);
  return pin?.fingerprint === fingerprintOf(key) ? pin : undefined;
}
