import { join } from 'node:path';
import { type DomainRecord, type ParsedZone, parseZone } from '@postern/protocol/dns';
import { type Clock, makePrivateDirectory, writeFileDurable } from '@postern/runtime';
import { createFileCache } from '../cache.ts';
import { ClientError } from '../errors.ts';
import { listNames, removeFile } from './files.ts';
import { inWords } from './words.ts';

/** Records that a person took from a file. They count before whatever DNS says. */
export interface Pins {
  pin(zone: string, options?: { replace?: boolean }): Promise<DomainRecord>;
  /** `undefined` when there is none. */
  read(domain: string): Promise<Pinned | undefined>;
  list(): Promise<string[]>;
  /** Whether there was one. */
  remove(domain: string): Promise<boolean>;
}

export interface Pinned {
  /** The lines as they were pinned. */
  readonly zone: string;
  readonly parsed: ParsedZone;
}

export function openPins({ directory, clock }: { directory: string; clock: Clock }): Pins {
  const file = (domain: string): string => join(directory, `${encodeURIComponent(domain)}.zone`);
  const cache = createFileCache(async (content) => content.toString('utf8'));
  const now = (): number => Math.floor(clock.now() / 1000);

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
    async read(domain) {
      const zone = await cache.read(file(domain));
      return zone === undefined ? undefined : { zone, parsed: parseZone(zone, now()) };
    },
    list: () => listNames(directory, '.zone'),
    remove: (domain) => removeFile(directory, file(domain)),
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
