import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Consensus,
  formatAuthorityKey,
  parseAuthorityKey,
  signConsensus,
  verifyConsensus,
} from '@postern/protocol/consensus';
import { ed25519 } from '@postern/protocol/primitives';
import type { NetworkFile } from '@postern/testkit';

/** A directory of an authority that has gone to sleep: its last consensus is well signed and ten epochs old. */
export interface ExpiredDirectory extends AsyncDisposable {
  readonly url: string;
  /** The authority's key. */
  readonly vkey: string;
  /** How often somebody asked for something. */
  asked(): number;
}

/** Serves the consensus of a running network as it would have been ten epochs ago. */
export async function expiredDirectory(live: NetworkFile['directory']): Promise<ExpiredDirectory> {
  const current = await (await fetch(`${live.urls[0]}/v1/consensus`)).text();
  const verified = verifyConsensus(current, {
    authorities: live.authorities.map(parseAuthorityKey),
    threshold: live.threshold,
    now: Math.floor(Date.now() / 1_000),
  });
  if (verified.kind === 'refused') throw new Error(verified.reason);
  const { privateKey, publicKey } = ed25519.generate();
  const name = 'asleep.test';
  const signed = signConsensus(earlier(verified.consensus, 10), [{ name, seed: privateKey }]);

  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.setHeader('content-type', 'text/plain; charset=utf-8').end(signed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    vkey: formatAuthorityKey(name, publicKey),
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function earlier(consensus: Consensus, epochs: number): Consensus {
  const seconds = epochs * consensus.epochSeconds;
  return {
    ...consensus,
    epoch: consensus.epoch - epochs,
    validAfter: consensus.validAfter - seconds,
    freshUntil: consensus.freshUntil - seconds,
    validUntil: consensus.validUntil - seconds,
  };
}
