import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCarriage, startSmtpServer } from '@postern/mail';
import { defaultGeometry, geometry } from '@postern/protocol/packet';
import { systemRandom } from '@postern/runtime';
import { createCertificate } from '../src/keys/certificate.js';
/** A certificate of one's own, made aside. */
export async function makeCertificate(name) {
  const folder = await mkdtemp(join(tmpdir(), 'postern-tls-'));
  try {
    return await createCertificate(folder, name, systemRandom);
  } finally {
    await rm(folder, { recursive: true });
  }
}
export async function startPeer(id, name, options = {}) {
  const tls = options.tls ?? (await makeCertificate(name));
  const taken = [];
  const messages = [];
  const returnPaths = [];
  let answer = { kind: 'accepted' };
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
export function consensusOf(nodes, nowMs) {
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
//# sourceMappingURL=peers.js.map
