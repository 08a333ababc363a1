import type DataStream from 'nodemailer/lib/smtp-connection/data-stream.js';
import type SMTPConnection from 'nodemailer/lib/smtp-connection/index.js';

/**
 * Lets a connection stuff dots (RFC 5321 section 4.5.2) by searching for them. nodemailer's stream looks at every
 * octet in turn, since it mends line ends on the way; with messages that are well formed that was a fifth of all
 * that sending and receiving a carriage cost.
 *
 * It reaches into nodemailer. A version that is built otherwise does it in its own way, as right and slower.
 */
export function stuffBySearch(connection: SMTPConnection): void {
  const inner = connection as unknown as Inner;
  const create = inner._createSendStream;
  if (create === undefined) return;
  inner._createSendStream = (done) => {
    const stream = create.call(connection, done);
    stream._transform = (chunk: Buffer, _encoding, next) => {
      const atLineStart = stream.lastByte === false || stream.lastByte === lineFeed;
      const stuffed = stuff(chunk, atLineStart);
      stream.inByteCount += chunk.length;
      stream.outByteCount += stuffed.length;
      stream.lastByte = chunk.at(-1) ?? stream.lastByte;
      next(null, stuffed);
    };
    return stream;
  };
}

/** Doubles each dot at the begin of a line. */
export function stuff(octets: Buffer, atLineStart: boolean): Buffer {
  const parts: Buffer[] = [];
  let start = 0;
  let dot = atLineStart && octets[0] === 0x2e ? 0 : nextDot(octets, 0);
  while (dot >= 0) {
    parts.push(octets.subarray(start, dot + 1));
    start = dot;
    dot = nextDot(octets, dot);
  }
  return parts.length === 0 ? octets : Buffer.concat([...parts, octets.subarray(start)]);
}

function nextDot(octets: Buffer, from: number): number {
  const at = octets.indexOf('\n.', from, 'latin1');
  return at < 0 ? at : at + 1;
}

interface Inner {
  _createSendStream?: (done: unknown) => DataStream;
}

const lineFeed = 0x0a;
