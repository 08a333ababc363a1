import type { TLSSocket } from 'node:tls';
import { type AuthDecision, openTls, type TlsPeer } from '@postern/mail';
import type { Authors } from './authors.ts';
import { type PassOnOptions, passOn } from './passon.ts';

/** Authors are who may log in to the domain's IMAP server (RFC 9051), over TLS from the first octet. */
export function imapAuthors(server: TlsPeer, options: PassOnOptions): Authors {
  return passOn(options, (user, password, signal) => ask(server, { user, password }, signal));
}

async function ask(
  server: TlsPeer,
  { user, password }: { user: string; password: string },
  signal: AbortSignal,
): Promise<AuthDecision['kind']> {
  const opened = await openTls(server, connectMs, signal);
  if (opened.kind !== 'open') return 'unavailable';
  const { socket } = opened;
  if (!(await greets(socket, signal))) {
    socket.destroy();
    return 'unavailable';
  }
  const { ImapFlow } = await import('imapflow'); // a quarter of a second, which only those pay who use it
  const client = new ImapFlow({
    host: server.host,
    port: server.port,
    secure: true,
    auth: { user, pass: password },
    // The library would judge the peer by itself only where an authority has signed for it.
    transport: {
      connect(_options, onConnect) {
        setImmediate(onConnect);
        return socket;
      },
    },
    verifyOnly: true,
    logger: false,
    maxLineLength: maxAnswer,
    maxLiteralSize: maxAnswer,
    maxResponseSize: 2 * maxAnswer,
  });
  client.on('error', () => undefined); // told by `connect` as well
  const cut = (): void => client.close();
  signal.addEventListener('abort', cut, { once: true });
  try {
    await client.connect();
    return client.authenticated ? 'author' : 'unavailable';
  } catch (error) {
    return isRefusal(error) ? 'refused' : 'unavailable';
  } finally {
    signal.removeEventListener('abort', cut);
    client.close();
    socket.destroy();
  }
}

/**
 * Whether the server asks for a login. One that greets everybody as logged in already (PREAUTH) would look at none, and the library
 * would call that a success. What was read of the greeting is put back.
 */
function greets(socket: TLSSocket, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let greeting: Buffer = Buffer.alloc(0);
  const take = (part: Buffer): void => {
    greeting = Buffer.concat([greeting, part]);
    if (greeting.length < askingForLogin.length) return;
    socket.off('data', take);
    socket.pause();
    socket.unshift(greeting);
    resolve(greeting.toString('latin1', 0, askingForLogin.length).toUpperCase() === askingForLogin);
  };
  const end = (): void => resolve(false);
  socket.on('data', take);
  socket.once('close', end);
  signal.addEventListener('abort', end, { once: true });
  return promise.finally(() => {
    socket.off('close', end);
    signal.removeEventListener('abort', end);
  });
}

/** NO to the login; not with a code that says something about the server (RFC 5530 section 3). */
function isRefusal(error: unknown): boolean {
  const { authenticationFailed, responseStatus, serverResponseCode } = error as {
    authenticationFailed?: boolean;
    responseStatus?: string;
    serverResponseCode?: string;
  };
  const notNow = ['UNAVAILABLE', 'INUSE', 'LIMIT', 'SERVERBUG', 'CONTACTADMIN'];
  return (
    authenticationFailed === true &&
    responseStatus === 'NO' &&
    !notNow.includes((serverResponseCode ?? '').toUpperCase())
  );
}

const askingForLogin = '* OK ';
const connectMs = 10_000;
const maxAnswer = 65_536;
