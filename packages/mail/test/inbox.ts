import {
  type Decision,
  type Message,
  type SmtpServer,
  type SmtpServerOptions,
  startSmtpServer,
} from '@postern/mail';
import { createIdentity } from './certificate.ts';

export const identity = await createIdentity('mx.test');

/** A server for secure@mx.test that keeps what it gets. */
export interface Inbox extends AsyncDisposable {
  readonly server: SmtpServer;
  readonly port: number;
  readonly messages: Message[];
}

export async function openInbox(options: Partial<SmtpServerOptions> = {}): Promise<Inbox> {
  const messages: Message[] = [];
  const { limits, onMessage, ...rest } = options;
  const server = await startSmtpServer({
    listen: { host: '127.0.0.1', port: 0 },
    hostname: 'mx.test',
    tls: identity,
    accepts: (mailbox) => mailbox === 'secure@mx.test',
    maxBytes: 100_000,
    limits: { greetingMs: 5, drainMs: 200, ...limits },
    onMessage: async (message): Promise<Decision> => {
      const decision = await (onMessage?.(message) ?? ({ kind: 'accepted' } as const));
      if (decision.kind === 'accepted') messages.push(message);
      return decision;
    },
    ...rest,
  });
  return { server, port: server.address.port, messages, [Symbol.asyncDispose]: () => server.close() };
}

export function text(message: Message | undefined): string {
  return message === undefined ? '(none)' : Buffer.from(message.bytes).toString('latin1');
}
