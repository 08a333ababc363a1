import { fieldsNamed, hasRepeated, parseHeader } from '../codec/mime-header.ts';
import { messageToCrlf } from '../codec/mime-lines.ts';
import { type AddressRefusedReason, parseAddressList } from './addresses.ts';

export type Recipients =
  | {
      readonly kind: 'recipients';
      /** Each once, To before Cc before Bcc. */
      readonly mailboxes: readonly string[];
    }
  | { readonly kind: 'refused'; readonly reason: RecipientsRefusedReason };

export type RecipientsRefusedReason =
  | AddressRefusedReason
  | 'malformed-header'
  | 'header-too-large'
  /** Two fields of one name among To, Cc and Bcc. */
  | 'repeated-field';

// spec sealed 8
/** Whom a message (RFC 5322, lines end in CRLF or LF) is for, by its To, Cc and Bcc. No input makes it throw. */
export function readRecipients(message: Uint8Array): Recipients {
  return readAddresses(message, ['to', 'cc', 'bcc']);
}

/** The mailboxes of its From field. */
export function readAuthors(message: Uint8Array): Recipients {
  return readAddresses(message, ['from']);
}

function readAddresses(message: Uint8Array, names: readonly string[]): Recipients {
  const text = messageToCrlf(message);
  if (text === undefined) return { kind: 'refused', reason: 'malformed-header' };
  const header = parseHeader(text);
  if (header.kind === 'refused') return header;
  const { fields } = header;
  if (hasRepeated(fields, names)) return { kind: 'refused', reason: 'repeated-field' };
  const lists = names
    .flatMap((name) => fieldsNamed(fields, name))
    .map(({ value }) => parseAddressList(value));
  const mailboxes = new Set<string>();
  for (const list of lists) {
    if (list.kind === 'refused') return list;
    for (const mailbox of list.mailboxes) mailboxes.add(mailbox);
  }
  return { kind: 'recipients', mailboxes: [...mailboxes] };
}
