/** A mailbox: `local@domain`. The domain is in lower case, the local part as it was written. */
export interface Mailbox {
  readonly local: string;
  readonly domain: string;
}

/**
 * Reads a mailbox: the dot-string subset of RFC 5321 section 4.1.2, in ASCII. Quoted local parts, address literals,
 * source routes and UTF-8 (RFC 6531) are no mailboxes here: Postern's own are plain, and each of those forms has
 * been a way to make two programs read one address differently.
 */
export function parseMailbox(text: string): Mailbox | undefined {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  const domain = lowerCase(text.slice(at + 1));
  if (at < 1 || local.length > maxLocalOctets || !dotString.test(local) || !isDomain(domain))
    return undefined;
  return { local, domain };
}

/** Writes a mailbox as it stands in an SMTP command, without angle brackets. */
export function formatMailbox(mailbox: Mailbox): string {
  return `${mailbox.local}@${mailbox.domain}`;
}

// spec packet 5.2
/**
 * Whether `text` is a domain name in its one spelling: labels of lower-case ASCII letters, digits and inner hyphens, the
 * last not all digits, at most 253 octets, no dot at the end.
 */
export function isDomain(text: string): boolean {
  return text.length <= maxDomainOctets && domainName.test(text);
}

/** ASCII letters alone: `toLowerCase` makes a `k` of the sign for kelvin. */
export function lowerCase(domain: string): string {
  return domain.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Longest local part (RFC 5321 section 4.5.3.1.1). */
export const maxLocalOctets = 64;

/** Longest name that DNS can hold, written without the dot at the end (RFC 1035 section 2.3.4). */
export const maxDomainOctets = 253;

const dotString = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const domainName =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
