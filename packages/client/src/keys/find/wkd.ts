import { createHash } from 'node:crypto';
import { request } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Resolver } from '@postern/runtime/dns';
import { isPublic } from './address.ts';
import { failed, type Looked, none, type Source, tooLongIsNone } from './source.ts';

export interface WkdOptions {
  readonly resolver: Resolver;
  /** For a network of one's own: other authorities than the system's, another port than 443, and addresses of any kind. */
  readonly own?: { readonly ca: string; readonly port: number };
  /** For one request, milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * A Web Key Directory (draft-koch-openpgp-webkey-service, section 3.1), over HTTPS with a certificate for the host name. The direct method
 * is used only where the name of the advanced one does not exist. No redirect is followed.
 */
export function wkdSource(options: WkdOptions): Source {
  return async ({ local, domain }, signal) => {
    const path = `hu/${wkdHash(local)}?l=${encodeURIComponent(local)}`;
    try {
      const advanced = `openpgpkey.${domain}`;
      const there = await addressesOf(advanced, options, signal);
      if (there.kind === 'failed') return there;
      if (there.kind === 'addresses')
        return await get(
          advanced,
          `/.well-known/openpgpkey/${domain}/${path}`,
          there.addresses,
          options,
          signal,
        );
      const here = await addressesOf(domain, options, signal);
      return here.kind === 'addresses'
        ? await get(domain, `/.well-known/openpgpkey/${path}`, here.addresses, options, signal)
        : here;
    } catch (error) {
      return tooLongIsNone(error);
    }
  };
}

/** SHA-1 of the local part in lower case, in z-base-32 (RFC 6189 section 5.1.6): 160 bits are 32 digits, without remainder. */
export function wkdHash(local: string): string {
  const hash = createHash('sha1').update(local.toLowerCase()).digest('hex');
  const digits = BigInt(`0x${hash}`).toString(32).padStart(32, '0');
  return Array.from(digits, (digit) => zBase32[Number.parseInt(digit, 32)]).join('');
}

const zBase32 = 'ybndrfg8ejkmcpqxot1uwisza345h769';

type Addresses =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | Exclude<Looked, { kind: 'found' }>;

async function addressesOf(
  host: string,
  { resolver, own }: WkdOptions,
  signal: AbortSignal | undefined,
): Promise<Addresses> {
  const answers = await Promise.all([
    resolver.resolve(`${host}.`, 'A', signal),
    resolver.resolve(`${host}.`, 'AAAA', signal),
  ]);
  const found = answers.flatMap((answer) =>
    answer.kind === 'found' ? answer.records.map(({ address }) => address) : [],
  );
  for (const answer of answers)
    if (answer.kind === 'failed')
      return { kind: 'failed', why: `DNS has no trustworthy answer for ${host} (${answer.reason})` };
  if (found.length === 0) return { kind: 'none', why: `${host} has no address` };
  const addresses = own === undefined ? found.filter(isPublic) : found;
  return addresses.length === 0
    ? { kind: 'failed', why: `${host} has no address of the public Internet` }
    : { kind: 'addresses', addresses };
}

function get(
  host: string,
  path: string,
  addresses: readonly string[],
  { own, timeoutMs = 10_000 }: WkdOptions,
  signal: AbortSignal | undefined,
): Promise<Looked> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const listed = addresses.map((address) => ({ address, family: isIP(address) }));
  const lookup: LookupFunction = (_name, _options, done) => done(null, listed);
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      if (signal?.aborted === true) reject(signal.reason);
      else
        resolve(
          failed(
            `${host} ${deadline.aborted ? 'did not answer in time' : `cannot be asked: ${error.message}`}`,
          ),
        );
    };
    const asked = request(
      {
        host,
        path,
        port: own?.port ?? 443,
        ...(own === undefined ? {} : { ca: own.ca }),
        minVersion: 'TLSv1.2',
        agent: false,
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
        // Only what our own resolver said of the name.
        lookup,
      },
      (response) => {
        const { statusCode } = response;
        if (statusCode !== 200) {
          response.destroy();
          resolve(
            statusCode === 404 || statusCode === 410
              ? none(`${host} has no key of the mailbox`)
              : failed(`${host} answers with status ${statusCode}`),
          );
          return;
        }
        const chunks: Buffer[] = [];
        let octets = 0;
        response.on('data', (chunk: Buffer) => {
          octets += chunk.length;
          chunks.push(chunk);
          if (octets > maxOctets) asked.destroy(new Error(`more than ${maxOctets} bytes`));
        });
        response.on('end', () => resolve({ kind: 'found', content: [Buffer.concat(chunks)] }));
        response.on('error', fail);
      },
    );
    asked.on('error', fail);
    asked.end();
  });
}

/** Far more than any certificate without its collectors' signatures. */
const maxOctets = 262_144;
