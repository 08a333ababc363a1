import {
  type DomainRecord,
  type Evidence,
  type Finding,
  formatZone,
  type UnsignedPolicy,
} from '@postern/protocol/dns';
import { isDomain } from '@postern/protocol/packet';
import type { Clock } from '@postern/runtime';
import type { Resolver } from '@postern/runtime/dns';
import { ClientError } from '../errors.ts';
import { ask } from './ask.ts';
import { type Kept, openMemory, type Remembered } from './memory.ts';
import { openPins, type Pinned } from './pins.ts';

/**
 * What a message to a domain may rest on:
 *
 * - `record`: its record, and where that is from
 * - `unknown`: nothing is pinned, and nobody may be asked
 * - `bad-pin`: the record that is pinned does not hold
 */
export type DomainLookup =
  | {
      readonly kind: 'record';
      readonly record: DomainRecord;
      readonly vouchedBy: 'pinned' | 'dnssec' | 'first-use';
      readonly from: 'file' | 'cache' | 'dns';
    }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'bad-pin'; readonly reason: string }
  | Exclude<Finding, { kind: 'record' }>;

export type FoundRecord = Extract<DomainLookup, { kind: 'record' }>;

/** What is here of a domain, without asking anybody. */
export interface Held {
  readonly pinned: Pinned | undefined;
  readonly remembered: Remembered | undefined;
}

/** A domain looked up anew, with everything that led to the finding. */
export interface DomainCheck {
  readonly domain: string;
  readonly held: Held;
  /** What sending would rest on without asking anybody; `unknown` when it would have to ask. */
  readonly unasked: DomainLookup;
  /** Absent when nobody may be asked. */
  readonly asked?: { readonly answers: Pick<Evidence, 'text' | 'certificate'>; readonly finding: Finding };
}

/** The records of the domains that a person writes to. Names of domains are taken in any case. */
export interface Domains {
  /** Takes a zone file's lines. Throws `bad-file`; `domain-conflict` for another key or certificate than the one pinned, or an older record, unless `replace`. */
  pin(zone: string, options?: { replace?: boolean }): Promise<DomainRecord>;
  /** What is pinned; else what was found in DNS, while it is fresh; else what DNS says now. */
  lookup(domain: string, signal?: AbortSignal): Promise<DomainLookup>;
  /** Asks DNS, whatever is here, and remembers what it finds. Throws `wrong-use` for what is no domain. */
  check(domain: string, signal?: AbortSignal): Promise<DomainCheck>;
  /** Takes the record that waits in place of the one known. Throws `wrong-use` when there is none, or none with that fingerprint. */
  accept(domain: string, fingerprint?: string): Promise<DomainRecord>;
  held(domain: string): Promise<Held>;
  /** Names of all that are pinned or remembered, sorted. */
  list(): Promise<string[]>;
  /** The lines as they were pinned, or as DNS had them. Throws `wrong-use` when there are none. */
  show(domain: string): Promise<string>;
  /** Throws `wrong-use` when nothing is known of it. */
  remove(domain: string): Promise<void>;
}

export interface DomainsOptions {
  /** Of what is pinned. */
  readonly directory: string;
  /** Of what is found in DNS. */
  readonly cacheDirectory: string;
  readonly clock: Clock;
  /** Whom to ask, once it comes to that; nobody when that is `undefined`. */
  readonly dns: () => Promise<{ readonly resolver: Resolver; readonly unsigned: UnsignedPolicy } | undefined>;
}

export function openDomains({ directory, cacheDirectory, clock, dns }: DomainsOptions): Domains {
  const pins = openPins({ directory, clock });
  const memory = openMemory(cacheDirectory);
  const now = (): number => Math.floor(clock.now() / 1000);

  const held = async (name: string): Promise<Held> => ({
    pinned: await pins.read(name.toLowerCase()),
    remembered: await memory.recall(name.toLowerCase()),
  });

  const lookHere = ({ pinned, remembered }: Held, unsigned: UnsignedPolicy): DomainLookup => {
    if (pinned?.parsed.kind === 'refused') return { kind: 'bad-pin', reason: pinned.parsed.reason };
    if (pinned !== undefined)
      return { kind: 'record', record: pinned.parsed.record, vouchedBy: 'pinned', from: 'file' };
    if (remembered === undefined || !isFresh(remembered, unsigned, now())) return { kind: 'unknown' };
    const { record, vouchedBy } = remembered.known;
    return { kind: 'record', record, vouchedBy, from: 'cache' };
  };

  const check = async (name: string, signal?: AbortSignal): Promise<DomainCheck> => {
    const domain = name.toLowerCase();
    if (!isDomain(domain)) throw new ClientError('wrong-use', `${name} is no domain`);
    const here = await held(domain);
    const server = await dns();
    const unasked = lookHere(here, server?.unsigned ?? 'refuse');
    if (server === undefined) return { domain, held: here, unasked };
    const known = knownOf(here);
    const asked = await ask(domain, { ...server, known, now, signal });
    // What is pinned counts, so that nothing else needs to be remembered beside it.
    if (here.pinned === undefined) await remember(domain, asked.finding, here.remembered);
    return { domain, held: here, unasked, asked };
  };

  const remember = async (
    domain: string,
    finding: Finding,
    before: Remembered | undefined,
  ): Promise<void> => {
    const keptOf = (p: { record: DomainRecord; vouchedBy: Kept['vouchedBy']; ttlSeconds: number }): Kept => ({
      record: p.record,
      vouchedBy: p.vouchedBy,
      freshUntil: now() + p.ttlSeconds,
    });
    if (finding.kind === 'record') await memory.keep(domain, { known: keptOf(finding) });
    if (finding.kind === 'changed' && before !== undefined)
      await memory.keep(domain, {
        known: before.known,
        offered: { ...keptOf(finding), change: finding.change },
      });
  };

  return {
    pin: (zone, options) => pins.pin(zone, options),
    held,
    check,
    async lookup(name, signal) {
      if (!isDomain(name.toLowerCase())) return { kind: 'unknown' };
      const here = await held(name);
      // What is pinned counts, whatever the configuration says of DNS.
      const unsigned = here.pinned === undefined ? (await dns())?.unsigned : undefined;
      const unasked = lookHere(here, unsigned ?? 'refuse');
      if (unasked.kind !== 'unknown') return unasked;
      const { asked } = await check(name, signal);
      if (asked === undefined) return { kind: 'unknown' };
      const { finding } = asked;
      if (finding.kind !== 'record') return finding;
      return { kind: 'record', record: finding.record, vouchedBy: finding.vouchedBy, from: 'dns' };
    },
    async accept(name, fingerprint) {
      const domain = name.toLowerCase();
      const offered = (await memory.recall(domain))?.offered;
      if (offered === undefined || (fingerprint !== undefined && offered.record.fingerprint !== fingerprint))
        throw new ClientError(
          'wrong-use',
          fingerprint === undefined || offered === undefined
            ? `no other record of ${domain} waits to be accepted`
            : `the record of ${domain} that waits has another key: ${offered.record.fingerprint}`,
          { hint: `See what DNS says now: postern domain check ${domain}` },
        );
      const { change: _change, ...known } = offered;
      await memory.keep(domain, { known });
      return known.record;
    },
    async list() {
      return [...new Set([...(await pins.list()), ...(await memory.list())])].sort();
    },
    async show(name) {
      const { pinned, remembered } = await held(name);
      if (pinned !== undefined) return pinned.zone;
      if (remembered !== undefined) return formatZone(remembered.known.record);
      throw notKnown(name);
    },
    async remove(name) {
      const domain = name.toLowerCase();
      const removed = [await pins.remove(domain), await memory.forget(domain)];
      if (!removed.includes(true)) throw notKnown(name);
    },
  };
}

// spec dns 6.2
/** A record that waits for a person's word keeps the one before it from being used. */
function isFresh({ known, offered }: Remembered, unsigned: UnsignedPolicy, now: number): boolean {
  const trusted = known.vouchedBy === 'dnssec' || unsigned === 'trust-on-first-use';
  return trusted && offered === undefined && now < known.freshUntil && now < known.record.expires;
}

/** What DNS is compared with. */
function knownOf({ pinned, remembered }: Held): Evidence['known'] {
  return pinned?.parsed.kind === 'record'
    ? { record: pinned.parsed.record, vouchedBy: 'pinned' }
    : remembered?.known;
}

function notKnown(name: string): ClientError {
  return new ClientError('wrong-use', `nothing is known of ${name}`, {
    hint: 'postern domain list shows the domains that are known.',
  });
}
