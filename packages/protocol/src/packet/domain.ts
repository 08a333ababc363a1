/** Octets in a domain name without a trailing dot (RFC 1035 2.3.4). */
export const mostDomainBytes = 253;

// spec packet 5.2
/**
 * A domain name in its one spelling: letters, digits and inner hyphens in labels of 1 to 63 octets (RFC 1123 2.1), lower case,
 * no dot at either end. The last label is not all digits, so that no name reads as an IPv4 address.
 */
export function isDomain(text: string): boolean {
  if (text.length > mostDomainBytes) return false;
  const labels = text.split('.');
  return labels.every((label) => ldhLabel.test(label)) && !/^[0-9]+$/.test(labels.at(-1) ?? '');
}

const ldhLabel = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;
