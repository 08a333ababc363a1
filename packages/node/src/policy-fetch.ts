import type { LookupAddress } from 'node:dns';
import { request } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';
import { addAbortSignal, Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { callbackify } from 'node:util';
import type { PolicyFetch } from '@postern/mail';

/**
 * Fetches MTA-STS policies (RFC 8461 section 3.3) from the addresses that `lookup` finds for a host, over TLS with a certificate for its
 * name. Follows no redirect, asks no proxy, keeps no connection. Rejects where there is no answer; a body breaks off as the signal aborts.
 */
export function createPolicyFetch(lookup: (host: string) => Promise<readonly string[]>): PolicyFetch {
  const find = lookupFunction(lookup);
  return (url, { signal }) =>
    new Promise((resolve, reject) => {
      const asked = request(url, { agent: false, lookup: find, signal });
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

/** What Node calls to resolve a name: it asks for all addresses, or for one. */
function lookupFunction(lookup: (host: string) => Promise<readonly string[]>): LookupFunction {
  const find = callbackify(async (host: string): Promise<LookupAddress[]> => {
    const addresses = await lookup(host);
    if (addresses.length === 0) throw new Error('no address that may be connected to');
    return addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  });
  return (host, { all }, callback) =>
    find(host, (error, found) => {
      const [first] = found ?? [];
      if (all === true || first === undefined) callback(error, found);
      else callback(null, first.address, first.family);
    });
}
