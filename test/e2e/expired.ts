import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Consensus,
  parseAuthorityKey,
  signConsensus,
  signingKeysIn,
  verifyConsensus,
} from '@postern/protocol/consensus';
import { testAuthority } from '@postern/protocol/testing';
import type { NetworkFile } from '@postern/testkit';

/** A directory of an authority that has gone to sleep: its last consensus is well signed and ten epochs old. */
export interface ExpiredDirectory extends AsyncDisposable {
  readonly url: string;
  /** The authority's key. */
  readonly vkey: string;
  /** How often somebody asked for something but certificates. */
  asked(): number;
}

/** Serves the consensus of a running network as it would have been ten epochs ago. */
export async function expiredDirectory(live: NetworkFile['directory']): Promise<ExpiredDirectory> {
  const now = Math.floor(Date.now() / 1_000);
  const from = async (path: string): Promise<string> => (await fetch(`${live.urls[0]}${path}`)).text();
  const authorities = live.authorities.map(parseAuthorityKey);
  const verified = verifyConsensus(await from('/v1/consensus'), {
    authorities,
    threshold: live.threshold,
    signingKeys: signingKeysIn(JSON.parse(await from('/v1/certificates')), { authorities }),
    now,
  });
  if (verified.kind === 'refused') throw new Error(verified.reason);
  const asleep = testAuthority('asleep.test', { now });
  const signed = signConsensus(earlier(verified.consensus, 10), [asleep]);

  let asked = 0;
  const server = createServer((request, response) => {
    if (request.url === '/v1/certificates') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify([asleep.certificate]));
      return;
    }
    asked += 1;
    response.setHeader('content-type', 'text/plain; charset=utf-8').end(signed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    vkey: asleep.vkey,
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
