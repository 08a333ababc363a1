import { seal as sealMessage } from '@postern/protocol/sealed';
import type { Random } from '@postern/runtime';
import type { PrivateKey } from 'openpgp';
import type { Draft, Reader } from '../message.ts';

/**
 * Signs and encrypts a draft for one reader: a PGP/MIME message. The outside shows the reader's gateway nothing of the author: it
 * comes from the `secure` mailbox of the reader's own domain, with a Message-ID drawn by chance and the date of the hour.
 */
export function seal(
  draft: Draft,
  { mailbox, domain, certificate }: Reader,
  { signingKey, now, random }: { signingKey: PrivateKey; now: Date; random: Random },
): Promise<Uint8Array> {
  return sealMessage(draft.message, {
    signingKey,
    certificate,
    outer: {
      from: `secure@${domain}`,
      to: mailbox,
      date: now,
      messageId: `<${Buffer.from(random.bytes(16)).toString('hex')}@${domain}>`,
    },
    now,
  });
}
