import {
  certifiedFrom,
  type Descriptor,
  descriptorDigest,
  epochAt,
  isStanding,
  tryMixKeys,
  verifyDescriptorSignature,
} from '@postern/protocol/consensus';
import type { AuthorityConfig } from '../config.ts';
import type { RegisterRefusal, Registration } from '../registration.ts';
import type { AuthorityStore } from '../store.ts';
import type { RateLimits } from './limits.ts';

/** What registering needs beside the document. */
export interface Register {
  readonly config: AuthorityConfig;
  readonly store: AuthorityStore;
  readonly limits: RateLimits;
  /** Milliseconds. */
  readonly now: number;
}

/** Seconds that a node's clock may be ahead of the authority's. */
const clockTolerance = 120;

/**
 * Takes a signed descriptor from anyone (spec consensus 9). Durable when it says `registered`. The document that is stored already
 * counts as registered again. What costs most, to try the mix keys and to write, is done within the limits alone.
 */
export function register(signed: string, context: Register): Registration {
  // anybody can post again what is known: it costs no signature check
  const same = context.store.byDigest(descriptorDigest(signed));
  if (same !== undefined) return { kind: 'registered', id: same.id, isNew: false };
  const verified = verifyDescriptorSignature(signed);
  if (verified.kind === 'refused') return verified;
  const { id, descriptor } = verified;
  const known = context.store.registered.get(id);
  const refusal =
    refuseNode(id, context) ??
    refuseTime(descriptor, known?.descriptor, context) ??
    refuseClaims(id, descriptor, context) ??
    refuseLoad(id, known !== undefined, context);
  if (refusal !== undefined) return refusal;
  const tried = tryMixKeys(verified);
  if (tried.kind === 'refused') return tried;
  context.store.put({ id, descriptor, signed });
  return { kind: 'registered', id, isNew: true };
}

function refuseNode(id: string, { config }: Register): Registration | undefined {
  if (config.revoked.includes(id)) return refused('revoked', 'this node has been revoked');
  if (config.allow.length > 0 && !config.allow.includes(id))
    return refused(
      'not-allowed',
      'this authority takes only the nodes on its list, and this one is not on it',
    );
  return undefined;
}

function refuseTime(
  descriptor: Descriptor,
  known: Descriptor | undefined,
  { config, now }: Register,
): Registration | undefined {
  const seconds = Math.floor(now / 1_000);
  const { published } = descriptor;
  if (published > seconds + clockTolerance)
    return refused(
      'from-the-future',
      `it was published ${published - seconds} s after the time here; check the node's clock`,
    );
  if (!isStanding(descriptor, epochAt(seconds, config.epochSeconds), config.epochSeconds))
    return refused('too-old', `it was published ${seconds - published} s ago; publish a new one`);
  if (known !== undefined && certifiedFrom(descriptor.certificate) < certifiedFrom(known.certificate))
    return refused(
      'older-certificate',
      'one under a certificate that began later is known; sign with the key that it is for',
    );
  if (known !== undefined && published <= known.published)
    return refused(
      'not-newer',
      `one published at ${known.published} is known; a newer one has to bear a later time`,
    );
  return undefined;
}

function refuseClaims(
  id: string,
  { name, domains }: Descriptor,
  { store }: Register,
): Registration | undefined {
  const holder = store.holderOfName(name);
  if (holder !== undefined && holder !== id)
    return refused('name-taken', `the name ${name} belongs to another node`);
  const taken = domains.find((domain) => (store.holderOfDomain(domain) ?? id) !== id);
  return taken === undefined
    ? undefined
    : refused('domain-taken', `the domain ${taken} is served by another node`);
}

function refuseLoad(
  id: string,
  isKnown: boolean,
  { config, store, limits, now }: Register,
): Registration | undefined {
  if (!isKnown && store.registered.size >= config.maxNodes)
    return refused('full', `this authority keeps ${config.maxNodes} descriptors and has them`);
  const passes = isKnown
    ? limits.known.take(id, now) && (limits.renewals.take(id, now) || limits.again.take('', now))
    : limits.unknown.take('', now);
  return passes ? undefined : refused('too-often', 'too many descriptors came in; try again in a minute');
}

function refused(reason: RegisterRefusal, detail: string): Registration {
  return { kind: 'refused', reason, detail };
}
