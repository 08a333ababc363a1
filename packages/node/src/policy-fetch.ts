import { request } from 'node:https';
import type { LookupFunction } from 'node:net';
import { addAbortSignal, Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { PolicyFetch } from '@postern/mail';

/**
 * Fetches MTA-STS policies (RFC 8461 section 3.3) from the addresses that `lookup` finds for a host, over TLS with a certificate for its
 * name. Follows no redirect, asks no proxy, keeps no connection. Rejects where there is no answer; a body breaks off as the signal aborts.
 */
export function createPolicyFetch(lookup: (host: string) => Promise<readonly string[]>): PolicyFetch {
  const find = lookupFunction(lookup);
  return (url, { signal }) =>
    new Promise((resolve, reject) => {
      const asked = request(url, { agent: false, lookup: find, signal, headers: { connection: 'close' } });
      asked.once('error', reject);
      asked.once('response', (answer) => {
        addAbortSignal(signal, answer);
        answer.on('error', () => undefined); // whoever reads the body is told
        const type = answer.headers['content-type'];
        resolve({
          status: answer.statusCode ?? 0,
          headers: new Headers(type === undefined ? {} : { 'content-type': type }),
          body: Readable.toWeb(answer) as ReadableStream<Uint8Array> as Response['body'],
        });
      });
      asked.end();
    });
}

/** What Node calls to resolve a name, with all addresses or with the first. */
function lookupFunction(lookup: (host: string) => Promise<readonly string[]>): LookupFunction {
  return (host, { all }, callback) => {
    lookup(host).then(
      (addresses) => {
        const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
        const [first] = found;
        if (first === undefined) callback(new Error(`no address to be used for ${host}`), '');
        else if (all === true) callback(null, found);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, ''),
    );
  };
}
