import { carriageDomain, messageIdOctets, view, writeBody, writeHeader } from './shape.ts';

export interface CarriageParts {
  /** Domain that hands the bytes over; its mailbox is always `secure`. */
  readonly fromDomain: string;
  /** Domain that takes them; its mailbox is always `secure`. */
  readonly toDomain: string;
  readonly bytes: Uint8Array;
  /** Only the hour of it is written. */
  readonly now: Date;
  /** Chance, for the Message-ID. */
  random(length: number): Uint8Array;
}

/**
 * Makes the RFC 5322 message that carries `bytes` over one hop (spec carriage 2 and 3): CRLF, 7-bit, and as long as
 * any other carriage of as many bytes. Made anew at every hop: it takes nothing over from the message before.
 *
 * Throws `bad-domain`.
 */
export function makeCarriage(parts: CarriageParts): Uint8Array {
  const header = writeHeader({
    fromDomain: carriageDomain(parts.fromDomain),
    toDomain: carriageDomain(parts.toDomain),
    hour: Math.floor(parts.now.getTime() / 3_600_000) * 3600,
    messageId: view(parts.random(messageIdOctets)).toString('hex'),
  });
  return Buffer.concat([Buffer.from(header, 'latin1'), writeBody(parts.bytes)]);
}
