import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type DomainRecord, parseZone } from '@postern/protocol/dns';
import { type Clock, makePrivateDirectory, syncDirectory, writeFileDurable } from '@postern/runtime';
import { absent, createFileCache } from '../cache.ts';
import { ClientError } from '../errors.ts';

/** What is known of a domain: `absent`: nothing is pinned. */
export type DomainLookup =
  | { readonly kind: 'record'; readonly record: DomainRecord }
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly reason: string };

/** The records of the domains that a person writes to: what DNS says of them, pinned from a file. */
export interface Domains {
  /** Takes a zone file's lines. Throws `bad-file`; `domain-conflict` for another key or certificate than the one pinned, or an older record, unless `replace`. */
  pin(zone: string, options?: { replace?: boolean }): Promise<DomainRecord>;
  lookup(domain: string): Promise<DomainLookup>;
  /** Names of all that are pinned, sorted. */
  list(): Promise<string[]>;
  /** The lines as they were pinned. Throws `wrong-use` when there are none. */
  show(domain: string): Promise<string>;
  /** Throws `wrong-use` when it is not pinned. */
  remove(domain: string): Promise<void>;
}

export function openDomains({ directory, clock }: { directory: string; clock: Clock }): Domains {
  const file = (domain: string): string =>
    join(directory, `${encodeURIComponent(domain.toLowerCase())}.zone`);
  const cache = createFileCache(async (content) => content.toString('utf8'));
  const now = (): number => Math.floor(clock.now() / 1000);

  const lookup = async (domain: string): Promise<DomainLookup> => {
    const zone = await cache.read(file(domain));
    if (zone === undefined) return { kind: 'absent' };
    const parsed = parseZone(zone, now());
    return parsed.kind === 'record' ? parsed : { kind: 'refused', reason: inWords(parsed.reason) };
  };
  const show = async (domain: string): Promise<string> => {
    const zone = await cache.read(file(domain));
    if (zone !== undefined) return zone;
    throw new ClientError('wrong-use', `${domain} is not pinned`, {
      hint: 'postern domain list shows those that are.',
    });
  };
  return {
    async pin(zone, { replace = false } = {}) {
      const result = parseZone(zone, now());
      if (result.kind === 'refused') {
        throw new ClientError(
          'bad-file',
          `the file holds no record that can be pinned: ${inWords(result.reason)}`,
          {
            hint: 'Take the file that the domain’s gateway made, unchanged: <domain>.zone.',
          },
        );
      }
      const { record } = result;
      const old = await cache.read(file(record.domain));
      // As of 1970: an expired record still says which key was pinned.
      const before = old === undefined ? undefined : parseZone(old, 0);
      if (before?.kind === 'record' && !replace) refuseConflict(before.record, record);
      await makePrivateDirectory(directory);
      await writeFileDurable(file(record.domain), zone);
      return record;
    },
    lookup,
    async list() {
      const files = (await readdir(directory).catch(absent)) ?? [];
      return files
        .filter((name) => /^[^.].*\.zone$/.test(name))
        .map((name) => decodeURIComponent(name.slice(0, -'.zone'.length)))
        .sort();
    },
    show,
    async remove(domain) {
      await show(domain);
      await unlink(file(domain));
      await syncDirectory(directory);
    },
  };
}

/** A record does not say when it was made, but one that ends earlier was made earlier: it would bring back what was in force then. */
function refuseConflict(pinned: DomainRecord, brought: DomainRecord): void {
  const { domain } = brought;
  const hint = 'Ask the domain’s operator by another way which is theirs. Only then take it with --replace.';
  if (pinned.fingerprint !== brought.fingerprint) {
    throw new ClientError(
      'domain-conflict',
      `ANOTHER KEY IS PINNED for ${domain}: ${pinned.fingerprint}, and the file brings ${brought.fingerprint}`,
      { hint },
    );
  }
  if (brought.expires < pinned.expires) {
    throw new ClientError(
      'domain-conflict',
      `the record pinned for ${domain} is newer: it holds until ${day(pinned)}, and the file’s until ${day(brought)}`,
      { hint: 'Take the domain’s present record, or this one with --replace.' },
    );
  }
  if (pinned.certificateDigest !== brought.certificateDigest) {
    throw new ClientError(
      'domain-conflict',
      `THE CERTIFICATE OF ${domain} HAS CHANGED; its key is still ${brought.fingerprint}`,
      {
        hint: `An operator who renews it says so: its SHA-256 is now ${brought.certificateDigest}. ${hint}`,
      },
    );
  }
}

function day({ expires }: DomainRecord): string {
  return new Date(expires * 1000).toISOString().slice(0, 10);
}

/** `wrong-text-owner` → `wrong text owner`. */
function inWords(reason: string): string {
  return reason.replaceAll('-', ' ');
}
