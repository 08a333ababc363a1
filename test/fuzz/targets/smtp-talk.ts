import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { nameOf } from '../corpus.ts';
import { chance } from '../random.ts';

/**
 * Says all of the input, then that there is no more, and resolves to what the server said when it has hung up. Waits for answers where
 * a client has to (RFC 5321 section 4.1.1.4, RFC 4954): a server refuses data that comes before it has asked. How the rest is cut into writes follows from the bytes.
 */
export function talk(socket: Socket, input: Uint8Array): Promise<string> {
  const { below } = chance(nameOf(input));
  let replies = '';
  let wake = (): void => {};
  const hears = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  /** Until there are as many answers, or none comes: the server may see other lines than are counted here. */
  const answered = async (count: number): Promise<void> => {
    const end = delay(patienceMs).then(() => true);
    while ((replies.match(/^\d{3} .*\r\n/gm)?.length ?? 0) < count && !socket.destroyed)
      if (await Promise.race([hears(), end])) return;
  };
  const write = async (text: string): Promise<void> => {
    for (let at = 0; at < text.length; ) {
      const end = at + 1 + below(below(3) === 0 ? 8 : text.length);
      await new Promise((resolve) => socket.write(text.slice(at, end), 'latin1', resolve));
      at = end;
    }
  };
  const say = async (): Promise<void> => {
    let rest = Buffer.from(input).toString('latin1');
    for (let lines = 1; rest !== ''; ) {
      const data = /(?:^|\r\n)354 [^\r\n]*\r\n$/.test(replies) ? toEnd(rest) : '';
      const part = data === '' ? toAnswer(rest) : data;
      await write(part);
      rest = rest.slice(part.length);
      lines += data === '' ? part.split('\r\n').length - 1 : 1;
      if (rest !== '') await answered(lines);
      if (socket.destroyed) return;
    }
    socket.end();
  };
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => {
      const greeting = replies === '';
      replies += chunk.toString('latin1');
      wake();
      if (greeting) say().catch(reject);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => {
      wake();
      resolve(replies);
    });
  });
}

/** Up to the first line that a client waits for an answer to, or all. */
function toAnswer(text: string): string {
  const { index = text.length, 0: line = '' } =
    /(?<=^|\r\n)(?:DATA|AUTH[^\r\n]*|[A-Za-z0-9+/]*={1,2}|\*)\r\n/i.exec(text) ?? {};
  return text.slice(0, index + line.length);
}

/** Up to the end of data, or all. */
function toEnd(text: string): string {
  const { index = text.length, 0: end = '' } = /^\.\r\n|\r\n\.\r\n/.exec(text) ?? {};
  return text.slice(0, index + end.length);
}

const patienceMs = 20;
