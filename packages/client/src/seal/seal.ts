import { requireSealable, type SealOptions, seal as sealMessage } from '@postern/protocol/sealed';
import type { Random } from '@postern/runtime';
import type { PrivateKey } from 'openpgp';
import type { Draft, Reader } from '../message.ts';

/**
 * Signs and encrypts a draft for one reader: a PGP/MIME message. The outside shows the reader's gateway nothing of the author: it
 * comes from the `secure` mailbox of the reader's own domain, with a Message-ID drawn by chance and the date of the hour.
 */
export function seal(
  draft: Draft,
  reader: Reader,
  { signingKey, now, random }: { signingKey: PrivateKey; now: Date; random: Random },
): Promise<Uint8Array> {
  return sealMessage(draft.message, {
    signingKey,
    certificate: reader.certificate,
    outer: outside(reader, now, random.bytes(16)),
    now,
  });
}

/** Throws the `ProtocolError` that sealing the draft would throw, as far as that takes no key. */
export function requireSealableFor(draft: Draft, readers: readonly Reader[], now: Date): void {
  // As long as what chance will give, which is all that counts here.
  const lot = new Uint8Array(16);
  requireSealable(
    draft.message,
    readers.map((reader) => outside(reader, now, lot)),
  );
}

function outside({ mailbox, domain }: Reader, date: Date, lot: Uint8Array): SealOptions['outer'] {
  return {
    from: `secure@${domain}`,
    to: mailbox,
    date,
    messageId: `<${Buffer.from(lot).toString('hex')}@${domain}>`,
  };
}
