import { verifyDescriptor } from '@postern/protocol/consensus';
import type { TappedConnection } from '../adversary/tap.ts';

/**
 * Everything that the directory tells whoever asks: the consensus, the parameters, and the descriptors that nodes have posted to be published. A
 * descriptor counts when it is one, signed and without a byte more.
 */
export async function publishedBy(
  url: string,
  connections: readonly TappedConnection[],
): Promise<Uint8Array[]> {
  const consensus = await document(`${url}/v1/consensus`);
  const others = ['/v1/parameters', '/openapi.json', `/v1/consensus/${epochOf(consensus) - 1}`];
  const documents = [consensus, ...(await Promise.all(others.map((path) => document(`${url}${path}`))))];
  return [...documents, ...connections.flatMap(postedIn).map((text) => Buffer.from(text))];
}

/** Empty when there is none, as for the epoch before the first. */
async function document(url: string): Promise<Buffer> {
  const response = await fetch(url);
  return response.ok ? Buffer.from(await response.arrayBuffer()) : Buffer.alloc(0);
}

function epochOf(consensus: Buffer): number {
  return Number(/"epoch":(\d+)/.exec(consensus.toString('utf8'))?.[1] ?? 0);
}

function postedIn({ chunks }: TappedConnection): string[] {
  const asked = Buffer.concat(chunks.filter(({ direction }) => direction === 'in').map(({ bytes }) => bytes));
  const text = asked.toString('latin1');
  const bodies: string[] = [];
  for (const match of text.matchAll(/^POST \/v1\/descriptors HTTP\/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n/gm)) {
    const length = Number(/^content-length: (\d+)\r$/im.exec(match[1] ?? '')?.[1]);
    const start = match.index + match[0].length;
    bodies.push(asked.toString('utf8', start, start + length));
  }
  return bodies.filter((body) => verifyDescriptor(body).kind === 'descriptor');
}
