import {
  type AuthorityKey,
  maxAuthorities,
  maxCertificateLength,
  maxCertificatesLength,
  maxCertificatesOfOne,
  type SigningKey,
  verifyCertificate,
} from '@postern/protocol/consensus';
import { type AskOptions, ask } from '../ask.ts';
import { notesIn } from '../notes.ts';
import type { TextStore } from './cache.ts';

/** Signing keys of authorities, from certificates that were verified; kept from one run to the next. */
export interface Certificates {
  /** Of all certificates at hand, those too that another process has stored meanwhile. */
  keys(): readonly SigningKey[];
  /** The certificates themselves. */
  held(): readonly HeldCertificate[];
  /** Adds those in lists as servers give them. What is wrong with one, for people. */
  take(...lists: readonly string[]): Promise<string | undefined>;
}

export interface CertificatesOptions {
  readonly authorities: readonly AuthorityKey[];
  /** Where certificates lie. */
  readonly store: TextStore;
  /** Unix seconds. */
  readonly now: () => number;
}

/** Seconds after its end for which a certificate is kept: longer than any consensus is valid. */
export const certificateAftermath: number = 30 * 86_400;

export interface HeldCertificate {
  readonly signed: string;
  readonly key: SigningKey;
}

export function openCertificates({ authorities, store, now }: CertificatesOptions): Certificates {
  const verified = new Map<string, HeldCertificate>();
  /** A certificate, or why it is none that is of use here; undefined for one of an authority that is not asked about. */
  const read = (signed: string): HeldCertificate | string | undefined => {
    const known = verified.get(signed);
    if (known !== undefined) return known;
    const outcome = verifyCertificate(signed, { authorities });
    if (outcome.kind === 'refused')
      return outcome.reason === 'unknown-authority' ? undefined : outcome.detail;
    const held = { signed, key: outcome.key };
    verified.set(signed, held);
    return held;
  };
  const stored = (): HeldCertificate[] =>
    (notesIn(store.load() ?? '[]', maxCertificateLength) ?? []).map(read).filter(isHeld);

  return {
    keys: () => stored().map(({ key }) => key),
    held: stored,
    async take(...lists) {
      const parsed = lists.map((list) => notesIn(list, maxCertificateLength));
      const found = parsed.flatMap((list) => readAll(list ?? [], read));
      const before = stored();
      const after = kept([...before, ...found.filter(isHeld)], now());
      for (const signed of verified.keys())
        if (!after.some((one) => one.signed === signed)) verified.delete(signed);
      if (after.some((one) => !before.includes(one)))
        await store.save(JSON.stringify(after.map(({ signed }) => signed)));
      if (parsed.includes(undefined)) return 'what it has for certificates is no list of them';
      const wrong = found.find((one) => typeof one === 'string');
      return wrong === undefined ? undefined : `a certificate there does not hold: ${wrong}`;
    },
  };
}

/** Asks one URL for more. What came of it, when it is of no use: for people. */
export async function fetchCertificates(
  certificates: Certificates,
  url: string,
  options: AskOptions,
): Promise<string | undefined> {
  const answer = await ask(`${url}/v1/certificates`, { ...options, maxBytes: maxCertificatesLength });
  if (answer.kind === 'unreachable') return `certificates ${answer.why}`;
  if (answer.kind !== 'answer') return 'its list of certificates is too long';
  if (answer.status !== 200) return `it answered ${answer.status} for certificates`;
  return certificates.take(answer.text);
}

function isHeld(one: HeldCertificate | string | undefined): one is HeldCertificate {
  return typeof one === 'object';
}

/** Of one list so many are verified at most, and none after so many that do not hold: each takes its time, and whoever serves them has no end of them. */
const mostVerified = 2 * maxAuthorities * maxCertificatesOfOne;
const mostWrong = 16;

type Read = HeldCertificate | string | undefined;

function readAll(list: readonly string[], read: (signed: string) => Read): Read[] {
  const found: Read[] = [];
  let wrong = 0;
  for (const signed of list.slice(0, mostVerified)) {
    const one = read(signed);
    found.push(one);
    if (typeof one === 'string') wrong += 1;
    if (wrong === mostWrong) break;
  }
  return found;
}

/** Each once, without those that have long ended, and of each authority not more than it needs. */
function kept(all: readonly HeldCertificate[], now: number): HeldCertificate[] {
  const count = new Map<string, number>();
  return [...new Set(all)]
    .filter(({ key }) => key.validUntil > now - certificateAftermath)
    .sort((a, b) => b.key.validUntil - a.key.validUntil)
    .filter(({ key: { name } }) => {
      const before = count.get(name) ?? 0;
      count.set(name, before + 1);
      return before < maxCertificatesOfOne;
    });
}
