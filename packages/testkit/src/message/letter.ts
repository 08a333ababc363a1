import { SeededRandom } from '../chance/seeded-random.ts';
import type { Telltales } from '../knowledge/secrets.ts';

/** A message as a mail program would write it, and what gives it away. */
export interface Letter {
  /** RFC 5322, lines ending in CRLF. */
  readonly message: Buffer;
  readonly telltales: Telltales;
  readonly attachment: { readonly name: string; readonly bytes: Buffer };
}

export interface LetterOptions {
  readonly from: string;
  readonly to: readonly string[];
  readonly date: Date;
  /** Size of the attachment. */
  readonly attachmentBytes: number;
  /** Tells letters apart. */
  readonly seed?: string;
}

const subject = 'Einladung: Brückenfest am Kanal – Überraschung für Zoë';
const plain = `Liebe Zoë,

am Samstag treffen wir uns am Kanal. Bring bitte die Quittenmarmelade mit,
und erzähl niemandem vom Papageienkostüm.

Bis dann
`;
const html = `<!DOCTYPE html><html><body style="font-family: sans-serif">
<p>Liebe Zoë,</p><p>am <b>Samstag</b> treffen wir uns am Kanal. Bring bitte die
<i>Quittenmarmelade</i> mit, und erzähl niemandem vom <u>Papageienkostüm</u>.</p><p>Bis dann</p></body></html>
`;

/** Text and HTML in two alternatives, headers and words beyond ASCII, and an attachment. */
export function writeLetter({ from, to, date, attachmentBytes, seed = 'letter' }: LetterOptions): Letter {
  const chance = new SeededRandom(seed);
  const bytes = Buffer.from(chance.bytes(attachmentBytes));
  const [outer, inner, id] = ['mixed', 'alternative', 'id'].map((name) => hex(chance.fork(name), 12));
  const name = 'Lageplan Festwiese.bin';
  const messageId = `<${id}@${from.slice(from.indexOf('@') + 1)}>`;
  const lines = [
    `From: ${encodedWord('Alicia Hollunder')} <${from}>`,
    `To: ${to.map((mailbox) => `<${mailbox}>`).join(', ')}`,
    `Subject: ${encodedWord(subject)}`,
    `Date: ${date.toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: ${messageId}`,
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${outer}"`,
    '',
    `--${outer}`,
    `Content-Type: multipart/alternative; boundary="${inner}"`,
    '',
    `--${inner}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    base64(Buffer.from(plain)),
    `--${inner}`,
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    base64(Buffer.from(html)),
    `--${inner}--`,
    `--${outer}`,
    `Content-Type: application/octet-stream; name="${name}"`,
    `Content-Disposition: attachment; filename="${name}"`,
    'Content-Transfer-Encoding: base64',
    '',
    base64(bytes),
    `--${outer}--`,
    '',
  ];
  const phrases = ['Quittenmarmelade', 'Papageienkostüm', 'Brückenfest', 'Alicia Hollunder', name];
  return {
    message: Buffer.from(lines.join('\r\n')),
    telltales: { messageId, subject, phrases, attachment: bytes },
    attachment: { name, bytes },
  };
}

/** RFC 2047, in words of at most 75 characters. */
function encodedWord(text: string): string {
  const words: string[] = [];
  let word = '';
  for (const character of text) {
    if (Buffer.byteLength(word + character) > 42) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  return [...words, word].map((one) => `=?UTF-8?B?${Buffer.from(one).toString('base64')}?=`).join('\r\n ');
}

function base64(bytes: Buffer): string {
  return (bytes.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n');
}

function hex(random: SeededRandom, length: number): string {
  return Buffer.from(random.bytes(length)).toString('hex');
}
