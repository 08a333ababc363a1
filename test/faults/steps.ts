import { carriageLength } from '@postern/mail';
import { defaultGeometry } from '@postern/protocol/packet';
import { type Chunk, ehloName, watchRecords } from '@postern/testkit';

/** The steps of a session in which a packet is handed over. */
export const smtpSteps = [
  'greeting',
  'EHLO',
  'STARTTLS',
  'TLS',
  'MAIL',
  'RCPT',
  'DATA',
  'half of the data',
  'end of the data',
] as const;
export type SmtpStep = (typeof smtpSteps)[number];

/** A step on a wire: what one end has sent of it, and the other has not got. */
export interface Sent {
  readonly step: SmtpStep;
  /** The command, or the reply to it. */
  readonly what: 'command' | 'reply';
}

/** What the bytes of one chunk are, of a connection whose chunks are given one after the other. */
export type StepWatch = (chunk: Chunk) => Sent | undefined;

/** A carriage, with the line that ends the data. */
const dataBytes = carriageLength(defaultGeometry.packetBytes) + 3;
/** RSET and QUIT: where MAIL may stand. */
const shortCommand = 'RSET\r\n'.length;

/**
 * Follows a session by what a tap sees of it: lines in the clear before TLS, and after that the lengths of what is sent, since our sender
 * waits for each reply before it goes on.
 */
export function watchSteps(): StepWatch {
  const records = { in: watchRecords(), out: watchRecords() };
  let asked: SmtpStep | undefined = 'greeting';
  let isGreeted = false;
  let taken = 0;

  const inTls = (octets: number): SmtpStep | undefined => {
    // What ends the handshake is longer or shorter.
    if (asked === 'TLS') return octets === ehloOctets(records.in.clear()) ? undefined : 'TLS';
    if (asked === 'MAIL') return 'RCPT';
    if (asked === 'RCPT') {
      taken = 0;
      return 'DATA';
    }
    if (asked === 'DATA' || asked === 'half of the data') {
      taken += octets;
      return taken < dataBytes ? 'half of the data' : 'end of the data';
    }
    return octets === shortCommand ? undefined : 'MAIL';
  };

  return ({ direction, bytes }) => {
    const contents = records[direction].take(bytes);
    if (direction === 'out') {
      const step = isGreeted ? asked : 'greeting';
      isGreeted = true;
      return step === undefined || step === 'half of the data' ? undefined : { step, what: 'reply' };
    }
    const text = Buffer.from(bytes).toString('latin1');
    if (text.startsWith('EHLO')) asked = 'EHLO';
    else if (text.startsWith('STARTTLS')) asked = 'STARTTLS';
    else if (asked === 'STARTTLS') asked = 'TLS';
    else for (const octets of contents) asked = inTls(octets);
    return asked === undefined ? undefined : { step: asked, what: 'command' };
  };
}

function ehloOctets(clear: Buffer): number {
  return `EHLO ${ehloName(clear) ?? ''}\r\n`.length;
}
