import { below, uniform } from '@postern/protocol/primitives';
import type { Person, SeededRandom } from '@postern/testkit';

/** One message of the experiment: where it goes, and how to make its bytes again. */
export interface Parcel {
  readonly number: number;
  readonly author: Person;
  readonly recipient: Person;
  /** Bytes of the whole message, about. */
  readonly size: number;
}

const smallest = 1_000;
const largest = 5_000_000;

/** Parcels between people of different mailboxes, their sizes log-uniform from 1 KB to 5 MB. */
export function parcels(count: number, people: readonly Person[], random: SeededRandom): Parcel[] {
  return Array.from({ length: count }, (_, number) => {
    const chance = random.fork(`parcel ${number}`);
    const from = below(chance, people.length);
    const to = (from + 1 + below(chance, people.length - 1)) % people.length;
    const size = Math.round(smallest * (largest / smallest) ** uniform(chance));
    return { number, size, author: people[from] as Person, recipient: people[to] as Person };
  });
}

/** The Message-ID says which parcel an opened message is. */
function messageId({ number, author }: Parcel): string {
  return `<parcel-${number}@${author.domain}>`;
}

/** The parcel that a message claims to be. */
export function numberIn(message: Uint8Array): number | undefined {
  const header = Buffer.from(message.buffer, message.byteOffset, Math.min(message.length, 1_000));
  const [, number] = /\r\nMessage-ID: <parcel-(\d+)@/.exec(header.toString('latin1')) ?? [];
  return number === undefined ? undefined : Number(number);
}

/** RFC 5322 with an attachment of random bytes: the same at every call. */
export function messageOf(parcel: Parcel, random: SeededRandom): Buffer {
  const boundary = 'parcel-parts';
  const head = [
    `From: ${parcel.author.mailbox}`,
    `To: ${parcel.recipient.mailbox}`,
    `Subject: Parcel ${parcel.number}`,
    `Message-ID: ${messageId(parcel)}`,
    'Date: Mon, 05 Jan 2026 09:00:00 +0000',
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    '',
    `Parcel ${parcel.number} of ${parcel.size} bytes.`,
    `--${boundary}`,
    'Content-Type: application/octet-stream',
    'Content-Disposition: attachment; filename="parcel.bin"',
    'Content-Transfer-Encoding: base64',
    '',
    '',
  ].join('\r\n');
  const tail = `\r\n--${boundary}--\r\n`;
  // 57 bytes make a line of 76 characters and its end.
  const lines = Math.max(1, Math.round((parcel.size - head.length - tail.length) / 78));
  const bytes = random.fork(`attachment ${parcel.number}`).bytes(lines * 57);
  const base64 = Buffer.from(bytes)
    .toString('base64')
    .replace(/.{76}(?=.)/g, '$&\r\n');
  return Buffer.from(head + base64 + tail, 'latin1');
}
