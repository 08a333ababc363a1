import { formatMailbox, parseMailbox } from '../address.ts';
import { MailError } from '../errors.ts';
import { carriageDomain, messageIdOctets, view, writeBody, writeHeader } from './shape.ts';

export interface CarriageParts {
  /** Domain that hands the bytes over; its mailbox is always `secure`. */
  readonly fromDomain: string;
  /** The mailbox of an account there, which the carriage is from in place of `secure` (spec carriage 6.5). */
  readonly account?: string;
  /** Domain that takes them; its mailbox is always `secure`. */
  readonly toDomain: string;
  readonly bytes: Uint8Array;
  /** Only the hour of it is written. */
  readonly now: Date;
  /** Left side of the Message-ID, 16 bytes in lower-case hex, for who has to know the carriage again. Drawn when absent. */
  readonly id?: string;
  /** Lets the next server hand it on without verified TLS: `TLS-Required: No` on top (spec submission 2.2). Default false. */
  readonly tlsOptional?: boolean;
  /** Chance, for the Message-ID. */
  random(length: number): Uint8Array;
}

/**
 * Makes the RFC 5322 message that carries `bytes` over one hop (spec carriage 2 and 3): CRLF, 7-bit, and as long as
 * any other carriage of as many bytes, but for what `tlsOptional` puts on top. Made anew at every hop: it takes nothing
 * over from the message before.
 *
 * Throws `bad-domain`, `bad-options`.
 */
export function makeCarriage(parts: CarriageParts): Uint8Array {
  const { account } = parts;
  const header = writeHeader({
    ...(account === undefined ? {} : { account: accountMailbox(account, parts.fromDomain) }),
    fromDomain: carriageDomain(parts.fromDomain),
    toDomain: carriageDomain(parts.toDomain),
    hour: Math.floor(parts.now.getTime() / 3_600_000) * 3600,
    messageId: messageId(parts),
  });
  const trace = parts.tlsOptional === true ? 'TLS-Required: No\r\n' : '';
  return writeBody(parts.bytes, trace + header);
}

function accountMailbox(account: string, domain: string): string {
  const mailbox = parseMailbox(account);
  if (mailbox?.domain === carriageDomain(domain) && mailbox.local.toLowerCase() !== 'secure')
    return formatMailbox(mailbox);
  throw new MailError('bad-options', 'not the mailbox of an account of that domain', {
    hint: 'Give a mailbox of the domain other than secure.',
  });
}

function messageId({ id, random }: CarriageParts): string {
  if (id === undefined) return view(random(messageIdOctets)).toString('hex');
  if (/^[0-9a-f]{32}$/.test(id)) return id;
  throw new MailError('bad-options', 'not an id of a carriage', {
    hint: `Give ${messageIdOctets} bytes in lower-case hex.`,
  });
}
