import { isDomain } from '../packet/domain.ts';

// spec sealed 2.2
/**
 * Whether a text is a mailbox in its one spelling: the dot-string subset of RFC 5321 section 4.1.2, in ASCII, with the domain in
 * lower case. No quoted local part, no address literal, no source route, no UTF-8: two programs could read those differently.
 */
export function isMailbox(text: string): boolean {
  if (text.length > mostMailboxBytes) return false;
  const at = text.lastIndexOf('@');
  return isLocalPart(text.slice(0, Math.max(at, 0))) && isDomain(text.slice(at + 1));
}

function isLocalPart(text: string): boolean {
  return text.length <= mostLocalBytes && dotString.test(text);
}

/** RFC 5321 section 4.5.3.1.3: a path has 256 with its angle brackets. */
const mostMailboxBytes = 254;

/** RFC 5321 section 4.5.3.1.1. */
const mostLocalBytes = 64;

const dotString = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
