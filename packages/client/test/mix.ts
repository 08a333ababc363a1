import { hash } from 'node:crypto';
import { openCarriage, type SmtpServer, spkiPin, startSmtpServer } from '@postern/mail';
import type { NodeEntry } from '@postern/protocol/consensus';
import { defaultGeometry, generateMixKey, loadMixKey, type Peeled, peel } from '@postern/protocol/packet';
import { selfSigned } from './certificate.ts';

/** What a mix's mail server says to the next packet. */
export type Answer = 'accept' | 'defer' | 'refuse';

/** The receiving end of a mix: a real mail server that keeps what it takes, and the key that peels it. */
export interface Mix extends AsyncDisposable {
  readonly entry: NodeEntry;
  /** Packets taken, as they came. */
  readonly packets: Uint8Array[];
  /** Ids of their carriages. */
  readonly ids: string[];
  /** Domains that handed packets over. */
  readonly from: Set<string>;
  /** Asked for each packet; accepts unless set. */
  answer: () => Answer;
  /** What it offers in its answer to EHLO besides; nothing unless set. */
  offers: () => readonly string[];
  peel(packet: Uint8Array): Peeled;
}

export interface MixOptions {
  readonly name: string;
  readonly layer: number;
  readonly epoch: number;
  readonly family?: string;
  /** What the consensus says of its TLS key, if not the truth. */
  readonly tlsPin?: string;
}

/** One server certificate does for all: what tells mixes apart here is their mix key. */
const tls = selfSigned();

export async function startMix({ name, layer, epoch, family = '', tlsPin }: MixOptions): Promise<Mix> {
  const { seed, publicKey } = generateMixKey();
  const id = hash('sha256', name);
  const key = loadMixKey(seed, new Uint8Array(Buffer.from(id, 'hex')), epoch, defaultGeometry);
  const packets: Uint8Array[] = [];
  const ids: string[] = [];
  const from = new Set<string>();
  const mix: Pick<Mix, 'answer' | 'offers'> = { answer: () => 'accept', offers: () => [] };
  const server: SmtpServer = await startSmtpServer({
    listen: { host: '127.0.0.1', port: 0 },
    hostname: name,
    tls,
    maxBytes: 100_000,
    accepts: (mailbox) => mailbox === `secure@${name}`,
    offers: () => mix.offers(),
    async onMessage({ bytes }) {
      const answer = mix.answer();
      if (answer === 'defer') return { kind: 'deferred', text: 'later' };
      if (answer === 'refuse') return { kind: 'rejected', code: 550, enhanced: '5.7.1', text: 'no' };
      const opened = openCarriage(bytes, defaultGeometry.packetBytes);
      if (opened.kind !== 'carriage')
        return { kind: 'rejected', code: 550, enhanced: '5.6.0', text: opened.kind };
      packets.push(opened.bytes);
      ids.push(opened.id);
      from.add(/^From: .*secure@([a-z0-9.-]+)/m.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? '');
      return { kind: 'accepted' };
    },
  });
  return Object.assign(mix, {
    entry: {
      id,
      name,
      roles: ['mix'] as const,
      smtp: server.address,
      tlsPins: [tlsPin ?? spkiPin(tls.cert)],
      family,
      domains: [],
      mirror: '',
      capacity: 64,
      layer,
      mixKey: Buffer.from(publicKey).toString('base64'),
    },
    packets,
    ids,
    from,
    peel: (packet: Uint8Array) => peel(defaultGeometry, key, packet),
    [Symbol.asyncDispose]: () => server.close(),
  });
}
