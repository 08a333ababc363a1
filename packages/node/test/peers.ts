import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { VerifiedConsensus } from '@postern/directory/client';
import { type Decision, openCarriage, startSmtpServer } from '@postern/mail';
import type { NodeEntry } from '@postern/protocol/consensus';
import { defaultGeometry, geometry } from '@postern/protocol/packet';
import { systemRandom } from '@postern/runtime';
import { createCertificate, type TlsCertificate } from '../src/keys/certificate.ts';

/** A node as its peers see it: an SMTP server that keeps what it took. */
export interface Peer extends AsyncDisposable {
  readonly entry: NodeEntry;
  /** Packets in the order in which they came. */
  readonly taken: Uint8Array[];
  /** Whole messages, as they came. */
  readonly messages: Uint8Array[];
  /** The return path of each. */
  readonly returnPaths: string[];
  readonly tls: TlsCertificate;
  /** What it answers from now on. */
  decide(decision: Decision): void;
}

/** A certificate of one's own, made aside. */
export async function makeCertificate(name: string): Promise<TlsCertificate> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-tls-'));
  try {
    return await createCertificate(folder, name, systemRandom);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function startPeer(
  id: string,
  name: string,
  options: { port?: number; tls?: TlsCertificate } = {},
): Promise<Peer> {
  const tls = options.tls ?? (await makeCertificate(name));
  const taken: Uint8Array[] = [];
  const messages: Uint8Array[] = [];
  const returnPaths: string[] = [];
  let answer: Decision = { kind: 'accepted' };
  const server = await startSmtpServer({
    listen: { host: '127.0.0.1', port: options.port ?? 0 },
    hostname: name,
    tls,
    maxBytes: 100_000,
    accepts: () => true,
    async onMessage({ bytes, from }) {
      const carriage = openCarriage(bytes, defaultGeometry.packetBytes);
      if (carriage.kind === 'carriage' && answer.kind === 'accepted') taken.push(carriage.bytes);
      messages.push(bytes);
      returnPaths.push(from);
      return answer;
    },
  });
  return {
    entry: {
      id,
      name,
      roles: ['mix'],
      smtp: server.address,
      tlsPins: [tls.pin],
      family: '',
      domains: [],
      mirror: '',
      layer: 1,
      mixKey: '',
      capacity: 64,
    },
    taken,
    messages,
    returnPaths,
    tls,
    decide(decision) {
      answer = decision;
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** A consensus of these nodes, valid for three hours. */
export function consensusOf(nodes: readonly NodeEntry[], nowMs: number): VerifiedConsensus {
  const { suite, hops, routingBytes, packetBytes } = defaultGeometry;
  const now = Math.floor(nowMs / 1_000);
  return {
    consensus: {
      version: 1,
      epoch: Math.floor(now / 3_600),
      epochSeconds: 3_600,
      validAfter: now,
      freshUntil: now + 3_600,
      validUntil: now + 10_800,
      geometry: { suite, hops, routingBytes, packetBytes, digest: '' },
      meanDelayMs: 0,
      width: { least: 10, most: 100, perMix: 1_000 },
      nodes: [...nodes],
      rest: { count: 0, root: '' },
      revoked: [],
      shared: '',
      previous: '',
      log: { size: 0, root: '' },
      votes: [],
      reveals: [],
    },
    geometry: geometry({ suite, hops, routingBytes, packetBytes }),
    digest: '',
  };
}
