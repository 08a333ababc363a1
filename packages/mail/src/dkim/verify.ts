import { isDomain, type Mailbox, maxDomainOctets, parseMailbox } from '../address.ts';
import { view } from '../carriage/shape.ts';
import { type Field, onlyField, readHeader } from '../header.ts';
import { isWellFormed } from '../sender/wellformed.ts';
import { maxRsaBits, minRsaBits } from './keys.ts';

/**
 * The texts of the TXT records at a name, the strings of each joined; none when the name or the type is not there.
 * Rejects when that could not be found out.
 */
export type LookupTxt = (name: string) => Promise<readonly string[]>;

/**
 * - `header`: not CRLF throughout, no header, or one longer than `maxHeaderOctets`
 * - `from`: not exactly one `From` with exactly one mailbox
 * - `unsigned`: no signature of the domain in `From`, or only ones that cover part of the body (`l=`)
 * - `invalid`: none of them verifies
 */
export type UnattestedReason = 'header' | 'from' | 'unsigned' | 'invalid';

export type DkimResult =
  /** `author`: the mailbox in `From`, as that domain signed it. */
  | { readonly kind: 'attested'; readonly domain: string; readonly author: Mailbox }
  | { readonly kind: 'unattested'; readonly reason: UnattestedReason }
  /** A key could not be looked up in time: later it may be attested. */
  | { readonly kind: 'temporary' };

export interface DkimVerifyOptions {
  readonly lookupTxt: LookupTxt;
  /** For signatures that expire (`x=`). */
  readonly now: Date;
  /** For all look-ups together. */
  readonly timeoutMs?: number;
}

/**
 * Whether the domain in `From` has signed the message (RFC 6376, 8301, 8463; spec submission 5). Never throws, and
 * names no other domain in a look-up. The caller bounds the message's length.
 */
export async function verifyDkim(message: Uint8Array, options: DkimVerifyOptions): Promise<DkimResult> {
  const octets = view(message);
  const header = isWellFormed(octets) ? readHeader(octets, 0, maxHeaderOctets) : undefined;
  if (header === undefined || header.fields.some(({ raw }) => emptyFold.test(raw)))
    return unattested('header');
  const author = authorIn(header.fields);
  if (author === undefined) return unattested('from');
  const signatures = header.fields
    .filter((field) => isCandidate(field, author.domain))
    .slice(0, maxSignatures);
  if (signatures.length === 0) return unattested('unsigned');
  const others = header.fields.filter(({ name }) => !isSignature(name));
  const reduced = [...signatures, ...others].map(({ raw }) => raw).join('');
  const parts = [Buffer.from(`${reduced}\r\n`, 'latin1'), octets.subarray(header.end)];
  return judge(Buffer.concat(parts), author, options);
}

/** The one mailbox of the one `From`: with two of either, two readers see different authors. */
function authorIn(fields: readonly Field[]): Mailbox | undefined {
  const value = onlyField(fields, 'from')?.value ?? '';
  const address = /^(?:[^<>"(),:;@]*|"[^<>"\\]*"[ \t]*)<([^<>]+)>$/.exec(value)?.[1] ?? value;
  return parseMailbox(address);
}

/** The signatures are looked at one by one for what they must not say before anything is computed or looked up for them. */
function isCandidate({ name, value, raw }: Field, domain: string): boolean {
  if (name !== 'dkim-signature' || raw.length > maxSignatureOctets) return false;
  const tags = value.split(';').map((tag) => tag.split('=', 2).map((text) => text.trim()));
  const tag = (wanted: string): string[] =>
    tags.flatMap(([key, text = '']) => (key === wanted ? [text] : []));
  return tag('l').length === 0 && tag('d').length === 1 && tag('d')[0]?.toLowerCase() === domain;
}

/** Fields that the library would look up keys of other domains for. */
function isSignature(name: string): boolean {
  return name === 'dkim-signature' || name.startsWith('arc-');
}

async function judge(
  message: Buffer,
  author: Mailbox,
  { lookupTxt, now, timeoutMs = defaultTimeoutMs }: DkimVerifyOptions,
): Promise<DkimResult> {
  // Loaded with the first use: most processes that send and receive mail never verify any.
  const { dkimVerify } = await import('mailauth/lib/dkim/verify.js');
  using keys = createKeys(lookupTxt, timeoutMs);
  const options = { strict: true, minBitLength: minRsaBits, curTime: now, resolver: keys.resolve };
  const results = await dkimVerify(message, options).then(
    (verified) => verified.results,
    () => [], // what the library makes a fault of is no signature
  );
  const attested = results.some(
    ({ status, signingDomain, modulusLength = minRsaBits, canonBodyLengthLimited }) =>
      status.result === 'pass' &&
      signingDomain?.toLowerCase() === author.domain &&
      modulusLength <= maxRsaBits &&
      canonBodyLengthLimited !== true &&
      !('testing' in status),
  );
  if (attested) return { kind: 'attested', domain: author.domain, author };
  return keys.failed() ? { kind: 'temporary' } : unattested('invalid');
}

interface Keys extends Disposable {
  /** As the library wants it: strings of records, or an error with a code of Node's resolver. */
  resolve(name: string): Promise<string[][]>;
  failed(): boolean;
}

/** Look-ups that all end within the time. */
function createKeys(lookupTxt: LookupTxt, timeoutMs: number): Keys {
  let failed = false;
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => {});
  const timer = setTimeout(() => late.reject(new Error('too late')), timeoutMs);
  return {
    failed: () => failed,
    async resolve(name) {
      if (name.length > maxDomainOctets || !isDomain(name.replace('._domainkey.', '.'))) throw noKey();
      const texts = await Promise.race([lookupTxt(name), late.promise]).catch((cause: unknown) => {
        failed = true;
        throw new Error('no answer', { cause });
      });
      // Of several records nobody says which one counts (RFC 6376 section 3.6.2.2).
      if (texts.length !== 1 || (texts[0]?.length ?? 0) > maxRecordOctets) throw noKey();
      return [[...texts]];
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}

function noKey(): Error {
  return Object.assign(new Error('no key'), { code: 'ENODATA' });
}

function unattested(reason: UnattestedReason): DkimResult {
  return { kind: 'unattested', reason };
}

/** A carriage's with the longest trace, and some. */
const maxHeaderOctets = 20_480;
/** A signature with RSA of 4096 bits has about 1,200. */
const maxSignatureOctets = 4_096;
/** A key of RSA with 4096 bits has about 750. */
const maxRecordOctets = 2_048;
const maxSignatures = 5;
const defaultTimeoutMs = 10_000;
/** A folded line of nothing but white space, which no program writes: over many of them the library's time is quadratic. */
const emptyFold = /\n[ \t]+\r/;
