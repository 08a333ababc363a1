import { type OpenedCarriage, openCarriage, spkiPin, startSmtpServer } from '@postern/mail';
import { defaultGeometry } from '@postern/protocol/packet';
import { onTestFinished } from 'vitest';
import type { ClientConfig, SubmissionConfig } from '../src/index.ts';
import { selfSigned } from './certificate.ts';

/** One message as the author's own gateway takes it. */
export interface Handed extends Extract<OpenedCarriage, { kind: 'carriage' }> {
  readonly returnPath: string;
  readonly recipient: string;
  /** Octet for octet. */
  readonly message: Uint8Array;
}

/** The gateway of an author's own domain, as a mail server with AUTH that keeps what it takes. */
export interface Msa {
  readonly submission: SubmissionConfig;
  readonly handed: Handed[];
  /** Names that have logged in, or tried to. */
  readonly logins: string[];
  answer: 'accept' | 'refuse';
  /** The configuration of somebody who hands over here. */
  into(config: ClientConfig, send?: Partial<ClientConfig['send']>): ClientConfig;
}

const tls = selfSigned();
const password = 'wonder land';

export async function startMsa({
  mailbox = 'alice@a.test',
  implicitTls = false,
}: {
  mailbox?: string;
  implicitTls?: boolean;
} = {}): Promise<Msa> {
  const handed: Handed[] = [];
  const logins: string[] = [];
  const state: { answer: Msa['answer'] } = { answer: 'accept' };
  const server = await startSmtpServer({
    listen: { host: '127.0.0.1', port: 0 },
    hostname: 'mail.a.test',
    tls,
    implicitTls,
    maxBytes: 100_000,
    maxRecipients: 1,
    accepts: (recipient) => recipient.startsWith('secure@'),
    auth: {
      async authenticate(login) {
        logins.push(login.user);
        return login.password === password ? { kind: 'author', mailbox } : { kind: 'refused' };
      },
      limits: { delayMs: 0 },
    },
    async onMessage({ bytes, from, recipient }) {
      if (state.answer === 'refuse')
        return { kind: 'rejected', code: 550, enhanced: '5.7.1', text: 'not for you' };
      const carriage = openCarriage(bytes, defaultGeometry.packetBytes);
      if (carriage.kind !== 'carriage')
        return { kind: 'rejected', code: 554, enhanced: '5.6.0', text: carriage.kind };
      handed.push({ ...carriage, returnPath: from, recipient, message: bytes });
      return { kind: 'accepted' };
    },
  });
  onTestFinished(() => server.close());
  const submission: SubmissionConfig = {
    kind: 'gateway',
    ...server.address,
    implicitTls,
    tls: { kind: 'pin', pins: [spkiPin(tls.cert)] },
    user: 'alice',
    password: { kind: 'ask' },
  };
  return Object.assign(state, {
    submission,
    handed,
    logins,
    into: (config: ClientConfig, send: Partial<ClientConfig['send']> = {}): ClientConfig => ({
      ...config,
      send: { ...config.send, ...send },
      submission,
    }),
  });
}

/** Knows it. */
export const givePassword = async (): Promise<string> => password;
