import { nextBreak, viewOf } from '../breaks.ts';
import { maxLineOctets } from '../server/data.ts';

/**
 * Whether a message reaches every server as it is: all lines end in CRLF, the last one too, none is longer than 998
 * octets, there is no NUL and no CR or LF alone. nodemailer would silently mend the line ends, other servers the rest.
 */
export function isWellFormed(message: Buffer): boolean {
  if (message.length === 0 || message.includes(0)) return false;
  const octets = viewOf(message);
  for (let at = 0; at < message.length; ) {
    const end = nextBreak(octets, at);
    if (end === -1 || end - at > maxLineOctets) return false;
    if (message[end] !== carriageReturn || message[end + 1] !== lineFeed) return false;
    at = end + 2;
  }
  return true;
}

const carriageReturn = 0x0d;
const lineFeed = 0x0a;
