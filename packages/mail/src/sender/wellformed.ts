import { maxLineOctets } from '../server/data.ts';

/**
 * Whether a message reaches every server as it is: all lines end in CRLF, the last one too, none is longer than 998
 * octets, there is no NUL and no CR or LF alone. nodemailer would silently mend the line ends, other servers the rest.
 */
export function isWellFormed(message: Buffer): boolean {
  if (message.length === 0 || message.includes(0)) return false;
  let at = 0;
  while (at < message.length) {
    const cr = message.indexOf(0x0d, at);
    if (cr < 0 || cr - at > maxLineOctets || message.indexOf(0x0a, at) !== cr + 1) return false;
    at = cr + 2;
  }
  return true;
}
