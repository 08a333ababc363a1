import { generateKey, type PrivateKey, type PublicKey } from 'openpgp';

export interface Person {
  readonly mailbox: string;
  readonly privateKey: PrivateKey;
  readonly publicKey: PublicKey;
}

/** A key of version 4 that is two hours old. */
export async function person(mailbox: string): Promise<Person> {
  const { privateKey, publicKey } = await generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ email: mailbox }],
    date: new Date(Date.now() - 7_200_000),
    format: 'object',
  });
  return { mailbox, privateKey, publicKey };
}

/** HTML in two languages' letters, an attachment of every byte, and a subject that nobody else may see. */
export const letter: Uint8Array = Buffer.from(
  [
    'From: =?utf-8?q?=C3=84lice?= <alice@a.test>',
    'To: Bob <bob@b.test>',
    'Subject: the eagle lands at dawn',
    'Date: Mon, 23 Nov 2026 12:20:30 +0200',
    'Message-ID: <private-7@alice-laptop.a.test>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="=_b"',
    '',
    '--=_b',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '<p>grüße, приве́т</p>',
    '--=_b',
    'Content-Type: application/octet-stream; name="every byte.bin"',
    'Content-Transfer-Encoding: base64',
    '',
    ...(Buffer.from(Uint8Array.from({ length: 20_000 }, (_, i) => i * 31))
      .toString('base64')
      .match(/.{1,76}/g) ?? []),
    '--=_b--',
    '',
  ].join('\r\n'),
  'utf8',
);

/** What lies in the encryption: the letter, its header marked, behind what the outside shows. */
export function payloadOf(message: Uint8Array, outer: readonly string[]): Buffer {
  const marked = Buffer.from(message)
    .toString('latin1')
    .replace('boundary="=_b"', 'boundary="=_b";\r\n protected-headers="v1"; hp="cipher"');
  return Buffer.from(outer.map((field) => `HP-Outer: ${field}\r\n`).join('') + marked, 'latin1');
}
