import {
  type OpenRefusedReason,
  open as openSealed,
  readAuthors,
  type Verdict,
} from '@postern/protocol/sealed';
import { ClientError } from '../errors.ts';
import { fingerprintOf, type Keys, storedMailbox } from '../keys/index.ts';

export type Opened =
  | {
      readonly kind: 'opened';
      /** The original message: RFC 5322, lines ending in CRLF. */
      readonly message: Uint8Array;
      /** The mailbox in its From; absent when there is none; the first of several, for which nobody vouches. */
      readonly from: string | undefined;
      readonly verdict: Verdict;
      /** `none`: the fields of its header, From included, stood outside the seal. */
      readonly protection: 'cipher' | 'clear' | 'none';
      /** Whether the key that is pinned for the mailbox in From made the signature, and of From and Subject too: never with `none`. */
      readonly vouched: boolean;
    }
  | {
      readonly kind: 'refused';
      readonly reason: OpenRefusedReason | 'unknown-report' | 'damaged-report';
      /** Of a report that does not open: the message that it is about. */
      readonly set?: string;
      readonly messageId?: string;
    };

/**
 * Opens a sealed message with the person's secret keys and judges its signature by the certificates pinned. A good signature
 * alone does not say who wrote: a key may claim any user id, so the key has to be the one pinned for the mailbox in From, and From has to be
 * in what was signed.
 */
export async function open(sealed: Uint8Array, { keys, now }: { keys: Keys; now: Date }): Promise<Opened> {
  const listed = await keys.list();
  if (listed.every(({ kind }) => kind === 'pinned')) {
    throw new ClientError('no-key', 'there is no secret key to open messages with', {
      hint: 'Bring yours: postern keys import FILE',
    });
  }
  const certificates = await keys.certificates();
  const verificationKeys = [...certificates.values()];
  let locked: unknown;
  const opened = await openSealed(sealed, {
    // Only those that it is for: a passphrase is needed for each, and a replaced key may have another.
    async decryptionKeys(keyIds) {
      const unlocked = await keys.decryptionKeys(keyIds);
      locked = unlocked.failure;
      return unlocked.keys;
    },
    verificationKeys,
    date: now,
  });
  if (opened.kind === 'refused') {
    if (opened.reason === 'no-key' && locked !== undefined) throw locked;
    return opened;
  }
  const { message, protection } = opened;
  const verdict = asListed(opened.verdict);
  const authors = readAuthors(message);
  const [from, ...others] = authors.kind === 'recipients' ? authors.mailboxes : [];
  const pinned =
    from === undefined || others.length > 0 ? undefined : certificates.get(storedMailbox(from) ?? '');
  const vouched =
    protection !== 'none' &&
    verdict.kind === 'good' &&
    pinned !== undefined &&
    fingerprintOf(pinned) === verdict.fingerprint;
  return { kind: 'opened', message, from, verdict, protection, vouched };
}

/** With fingerprints written as everywhere else here, so that they can be compared. */
function asListed(verdict: Verdict): Verdict {
  if (verdict.kind === 'good') return { ...verdict, fingerprint: verdict.fingerprint.toUpperCase() };
  return verdict.kind === 'unknown-key' ? { ...verdict, keyId: verdict.keyId.toUpperCase() } : verdict;
}
