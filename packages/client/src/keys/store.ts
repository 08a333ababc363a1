import type { Clock } from '@postern/runtime';
import { generateKey, type PrivateKey, type PublicKey } from 'openpgp';
import { ClientError } from '../errors.ts';
import { fingerprintOf, storedMailbox } from './certificate.ts';
import { openKeyFiles } from './files.ts';
import { openRecipients, type Recipients, type Sources } from './find/recipients.ts';
import { importKeys } from './import.ts';
import { describe, type KeyInfo, listKeys, pinOf } from './info.ts';
import type { Pin } from './pins.ts';
import { isWrongPassphrase, noPassphrase, type PassphraseSource, unlock } from './unlock.ts';

/** How a new secret key is protected on disk: by a passphrase, or by its file's mode alone, which must be said. */
export type Protection = { readonly passphrase: string } | { readonly noPassphrase: true };

export interface ImportOptions {
  /** Pin for these mailboxes only; needed when a certificate names several. */
  readonly mailboxes?: readonly string[];
  /** Take it although another key is pinned. */
  readonly replace?: boolean;
  /** For a secret key that comes without a passphrase; asked only then. */
  readonly protection?: () => Promise<Protection>;
}

/** A person's keys: their own, and the certificates of those they write to, one pinned for each mailbox. */
export interface Keys extends Recipients {
  list(): Promise<KeyInfo[]>;
  /** OpenPGP v4, Ed25519 and Curve25519 in the form that GnuPG 2.2 reads. Throws `key-conflict` unless `replace`. */
  generate(mailbox: string, protection: Protection, options?: { replace?: boolean }): Promise<KeyInfo>;
  /** Certificates and secret keys, armored or binary. Throws `key-conflict` for another key than the one pinned, unless `replace`. */
  import(content: Uint8Array, options?: ImportOptions): Promise<KeyInfo[]>;
  /** Armored certificate, or with `secret` the secret key as it is protected on disk. By mailbox or fingerprint. */
  export(name: string, options?: { secret?: boolean }): Promise<string>;
  /** By mailbox: its certificate. By fingerprint: a secret key, which then opens nothing any more, with every certificate of it. */
  remove(name: string): Promise<KeyInfo>;
  /** The certificate pinned for a mailbox. */
  certificate(mailbox: string): Promise<PublicKey | undefined>;
  /** How the certificate of a mailbox came to be pinned, as far as that was noted. */
  pin(mailbox: string): Promise<Pin | undefined>;
  /** Every pinned certificate by mailbox: those that a signature is checked against. */
  certificates(): Promise<Map<string, PublicKey>>;
  /** Whether the mailbox's certificate has its secret key here. */
  owns(mailbox: string): Promise<boolean>;
  /** The mailbox's secret key, unlocked; asks for its passphrase once. Throws `no-key`. */
  signingKey(mailbox: string): Promise<PrivateKey>;
  /** The secret keys with these ids, their own or a subkey's; all of them unless given. Throws when none of them can be unlocked. */
  decryptionKeys(keyIds?: readonly string[]): Promise<UnlockedKeys>;
}

export interface UnlockedKeys {
  readonly keys: readonly PrivateKey[];
  /** Why the first of the others stayed locked. */
  readonly failure?: unknown;
}

export interface KeysOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly passphrase?: PassphraseSource;
  /** Where certificates are looked up; nowhere unless given. */
  readonly sources?: () => Promise<Sources>;
}

export function openKeys({
  directory,
  clock,
  passphrase = noPassphrase,
  sources = nowhere,
}: KeysOptions): Keys {
  const files = openKeyFiles(directory);
  const unlocked = new WeakMap<PrivateKey, Promise<PrivateKey>>();
  const given = new Set<string>();
  const now = (): Date => new Date(clock.now());

  const open = (key: PrivateKey): Promise<PrivateKey> => {
    const known = unlocked.get(key);
    if (known !== undefined) return known;
    const opening = unlock(key, passphrase, given);
    unlocked.set(key, opening);
    opening.catch(() => unlocked.delete(key));
    return opening;
  };
  const ownKey = async (mailbox: string): Promise<PrivateKey | undefined> => {
    const certificate = await files.certificate(mailbox);
    return certificate === undefined ? undefined : files.secret(fingerprintOf(certificate));
  };

  return {
    ...openRecipients({ files, sources, now }),
    list: () => listKeys(files, now()),
    async generate(name, protection, { replace = false } = {}) {
      const mailbox = mailboxOrThrow(name);
      const pinned = await files.certificate(mailbox);
      if (pinned !== undefined && !replace) {
        throw new ClientError('key-conflict', `${mailbox} has the key ${fingerprintOf(pinned)} already`, {
          hint: 'With --replace a new one takes its place; the old one stays to open old messages.',
        });
      }
      const { privateKey } = await generateKey({
        type: 'ecc',
        curve: 'ed25519Legacy',
        userIDs: [{ email: name }],
        date: hourBefore(now()),
        format: 'object',
        ...('passphrase' in protection ? { passphrase: protection.passphrase } : {}),
      });
      await files.putSecret(privateKey);
      await files.putCertificate(mailbox, privateKey.toPublic());
      await files.offers.remove(mailbox);
      return describe(mailbox, privateKey, 'own', now(), files);
    },
    import: (content, options = {}) => importKeys(files, content, options, now()),
    async export(name, { secret = false } = {}) {
      if (secret) {
        const key = (await files.secret(name.toUpperCase())) ?? (await ownKey(storedMailbox(name) ?? ''));
        if (key !== undefined) return key.armor();
      } else {
        const certificate = await files.certificate(storedMailbox(name) ?? '');
        if (certificate !== undefined) return certificate.armor();
        const key = await files.secret(name.toUpperCase());
        if (key !== undefined) return key.toPublic().armor();
      }
      throw new ClientError('no-key', `there is no ${secret ? 'secret key' : 'certificate'} for ${name}`, {
        hint: 'postern keys list shows those that are here.',
      });
    },
    async remove(name) {
      const all = await listKeys(files, now());
      const secret = all.find(
        ({ kind, fingerprint }) => kind !== 'pinned' && fingerprint === name.toUpperCase(),
      );
      if (secret !== undefined) {
        const { fingerprint } = secret;
        const certified = all.filter((one) => one.kind === 'own' && one.fingerprint === fingerprint);
        for (const { mailbox } of certified) await files.removeCertificate(mailbox);
        await files.removeSecret(secret.fingerprint);
        return secret;
      }
      const pinned = all.find(({ kind, mailbox }) => kind === 'pinned' && mailbox === storedMailbox(name));
      if (pinned !== undefined) {
        await files.removeCertificate(pinned.mailbox);
        return pinned;
      }
      const own = all.find(({ kind, mailbox }) => kind === 'own' && mailbox === storedMailbox(name));
      if (own === undefined)
        throw new ClientError('no-key', `there is no key of ${name}`, {
          hint: 'postern keys list shows those that are here.',
        });
      throw new ClientError(
        'wrong-use',
        `${name} is yours: with its secret key gone, its messages stay closed`,
        {
          hint: `To remove it all the same, name it by its fingerprint: ${own.fingerprint}`,
        },
      );
    },
    certificate: async (mailbox) => files.certificate(storedMailbox(mailbox) ?? ''),
    async pin(name) {
      const mailbox = storedMailbox(name) ?? '';
      const certificate = await files.certificate(mailbox);
      return certificate && pinOf(files, mailbox, certificate);
    },
    async certificates() {
      const found = new Map<string, PublicKey>();
      for (const mailbox of await files.mailboxes()) {
        const certificate = await files.certificate(mailbox);
        if (certificate !== undefined) found.set(mailbox, certificate);
      }
      return found;
    },
    owns: async (mailbox) => (await ownKey(storedMailbox(mailbox) ?? '')) !== undefined,
    async signingKey(mailbox) {
      const key = await ownKey(storedMailbox(mailbox) ?? '');
      if (key !== undefined) return open(key);
      throw new ClientError('no-key', `there is no secret key of ${mailbox}`, {
        hint: `Make one: postern keys generate ${mailbox}. Or bring yours: postern keys import FILE`,
      });
    },
    async decryptionKeys(keyIds) {
      const keys: PrivateKey[] = [];
      const failures: unknown[] = [];
      for (const fingerprint of await files.fingerprints()) {
        const key = await files.secret(fingerprint);
        if (key === undefined || (keyIds !== undefined && !hasKey(key, keyIds))) continue;
        try {
          keys.push(await open(key));
        } catch (error) {
          if (!isWrongPassphrase(error)) throw error;
          failures.push(error);
        }
      }
      const [failure] = failures;
      if (keys.length === 0 && failure !== undefined) throw failure;
      return { keys, failure };
    },
  };
}

const nowhere = async (): Promise<Sources> => ({ order: [], by: {} });

function hasKey(key: PrivateKey, keyIds: readonly string[]): boolean {
  return key.getKeys().some((each) => keyIds.includes(each.getKeyID().toHex()));
}

/** Clocks differ, and to a clock that is behind a key from the future is no key. */
function hourBefore(date: Date): Date {
  return new Date((Math.floor(date.getTime() / 3_600_000) - 1) * 3_600_000);
}

function mailboxOrThrow(text: string): string {
  const mailbox = storedMailbox(text);
  if (mailbox !== undefined) return mailbox;
  throw new ClientError('wrong-use', `${text} is no mailbox`, { hint: 'Write it as alice@a.example.' });
}
