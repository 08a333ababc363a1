import { Wire } from '@postern/mail/testing';
import { expect } from 'vitest';

/**
 * Holds a conversation with the server on `port` and checks its side of it. One line each:
 *
 * - `C: text`: the client sends the text and CRLF
 * - `C! text`: the client sends the text in one write and no CRLF; `\r \n \0 \xNN` are octets
 * - `S: text`: the server's next reply begins so (the last line of it, if it has several)
 * - `S: closed`: the server ends the connection
 * - `TLS`: a TLS handshake
 */
export async function conversation(port: number, script: string): Promise<void> {
  using wire = await Wire.connect({ port });
  await converse(wire, script);
}

/** The same over a connection that is open already. */
export async function converse(wire: Wire, script: string): Promise<void> {
  for (const line of script.split('\n').map((text) => text.trimStart())) {
    const text = line.slice(3);
    if (line === '' || line.startsWith('#')) continue;
    else if (line === 'TLS') await wire.startTls();
    else if (line.startsWith('C: ')) await wire.write(`${text}\r\n`);
    else if (line.startsWith('C! ')) await wire.write(octetsOf(text));
    else if (line.startsWith('S: ')) await hear(wire, text);
    else throw new SyntaxError(`not a line of a conversation: ${line}`);
  }
}

/** Up to the EHLO after STARTTLS. */
export const overTls = `
  S: 220 mx.test ESMTP
  C: EHLO client.test
  S: 250
  C: STARTTLS
  S: 220
  TLS
  C: EHLO client.test
  S: 250
`;

/** From MAIL up to the server's 354. */
export const transaction = `
  C: MAIL FROM:<secure@a.test>
  S: 250
  C: RCPT TO:<secure@mx.test>
  S: 250
  C: DATA
  S: 354
`;

/** From the greeting up to the server's 354. */
export const upToData = `${overTls}${transaction}`;

/** Octets of ASCII as `C!` writes them. */
export function written(octets: string): string {
  return octets.replaceAll('\r', '\\r').replaceAll('\n', '\\n').replaceAll('\0', '\\0');
}

/** The octets of `C!`. */
export function octetsOf(text: string): Buffer {
  const octets = text.replace(/\\(r|n|0|x[0-9a-f]{2})/g, (_, name: string) =>
    String.fromCharCode(named[name] ?? Number.parseInt(name.slice(1), 16)),
  );
  return Buffer.from(octets, 'latin1');
}

async function hear(wire: Wire, expected: string): Promise<void> {
  const reply = await wire.reply();
  const last = reply.split('\r\n').at(-1) ?? '';
  expect(last.slice(0, expected.length), `the server said ${JSON.stringify(reply)}`).toBe(expected);
}

const named: Record<string, number> = { r: 13, n: 10, 0: 0 };
