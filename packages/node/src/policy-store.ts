import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PolicyEntry, PolicyStore } from '@postern/mail';
import { type Clock, ExitCode, type Log, writeFileDurable } from '@postern/runtime';
import { z } from 'zod';
import { NodeError } from './errors.ts';
import { type Loop, startLoop } from './loop.ts';

export interface PolicyStoreContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
}

/** MTA-STS policies of the domains that are written to. */
export interface KeptPolicies extends PolicyStore {
  /** Forgets what has run out. */
  start(): Loop;
}

/**
 * Policies outlast the process, or whoever stands in the way could take them back by waiting for a restart (RFC 8461 section 10.2). The
 * file says to which domains the gateway writes: so it has the day of the fetch and nothing finer, and each for as long as the domain
 * asks, a month at most (section 3.2 sets the longest time, not the shortest). What could not be fetched is kept in memory alone. Throws `NodeError` `policies-damaged`.
 */
export async function openPolicies({ clock, log, dataDir }: PolicyStoreContext): Promise<KeptPolicies> {
  const path = join(dataDir, 'mta-sts.json');
  const entries = new Map<string, PolicyEntry>();
  for (const { domain, day, ...policy } of await read(path))
    entries.set(domain, { policy: { ...policy, fetched: day * dayMs } });

  let changed = false;
  /** Notes whether the file changes by it: what could not be fetched is none of it. */
  const put = (domain: string, entry: PolicyEntry | undefined): void => {
    if (textOf(domain, entries.get(domain)) !== textOf(domain, entry)) changed = true;
    entries.delete(domain);
    if (entry !== undefined) entries.set(domain, entry);
  };

  const forget = (): void => {
    for (const [domain, { policy, failed }] of entries) {
      const isOver = failed === undefined || clock.now() >= failed.at + failureMs;
      if (policy === undefined && isOver) put(domain, undefined);
      else if (policy !== undefined && clock.now() >= endOf(policy))
        put(domain, isOver ? undefined : { failed });
    }
    for (const domain of tooMany(entries)) put(domain, undefined);
  };
  let writing = Promise.resolve();
  const save = (): Promise<void> => {
    writing = writing
      .catch(() => undefined)
      .then(async () => {
        forget();
        if (!changed) return;
        changed = false;
        await writeFileDurable(path, format(entries)).catch((error: unknown) => {
          changed = true;
          throw error;
        });
      });
    return writing;
  };
  if (entries.size > 0) await save();

  return {
    get: async (domain) => {
      const entry = entries.get(domain);
      if (entry?.policy === undefined || clock.now() < endOf(entry.policy)) return entry;
      return entry.failed === undefined ? undefined : { failed: entry.failed };
    },
    async set(domain, entry) {
      put(domain, entry);
      await save().catch(() => log.error('an MTA-STS policy could not be kept'));
    },
    start: () =>
      startLoop({ clock, log, trouble: 'MTA-STS policies could not be kept' }, async (stop) => {
        await clock.wait(clock.now() + forgetMs, stop);
        await save();
      }),
  };
}

/** Policies of a process's life. */
export function policiesInMemory(): PolicyStore {
  const policies = new Map<string, PolicyEntry>();
  return {
    get: async (domain) => policies.get(domain),
    async set(domain, entry) {
      policies.delete(domain);
      policies.set(domain, entry);
      for (const other of tooMany(policies)) policies.delete(other);
    },
  };
}

const dayMs = 86_400_000;
const longestMs = 31 * dayMs;
const forgetMs = 3_600_000;
/** A failure counts for minutes. */
const failureMs = 3_600_000;
const mostPolicies = 10_000;
/** Of the text of all. */
const mostOctets = 8 * 1_048_576;

/** Domains to be forgotten: beyond the number the oldest, beyond the size the largest, which hit few honest ones. */
function tooMany(entries: ReadonlyMap<string, PolicyEntry>): string[] {
  const old = [...entries.keys()].slice(0, Math.max(0, entries.size - mostPolicies));
  const sizes = [...entries].slice(old.length).map(([domain, entry]) => ({ domain, size: sizeOf(entry) }));
  let octets = sizes.reduce((sum, { size }) => sum + size, 0);
  if (octets <= mostOctets) return old;
  const large: string[] = [];
  for (const { domain, size } of sizes.sort((one, other) => other.size - one.size)) {
    if (octets <= mostOctets) break;
    octets -= size;
    large.push(domain);
  }
  return [...old, ...large];
}

function sizeOf({ policy }: PolicyEntry): number {
  return policy === undefined ? 0 : policy.mx.reduce((sum, { length }) => sum + length, 0);
}

function endOf({ fetched, maxAge }: NonNullable<PolicyEntry['policy']>): number {
  return fetched + Math.min(maxAge * 1_000, longestMs);
}

const file = z.strictObject({
  policies: z.array(
    z.strictObject({
      domain: z.string(),
      /** Since 1970. */
      day: z.int(),
      id: z.string(),
      mode: z.enum(['enforce', 'testing', 'none']),
      mx: z.array(z.string()),
      maxAge: z.int(),
    }),
  ),
});

type File = z.infer<typeof file>;

/** In the order of the names, not of the fetches. */
function format(entries: ReadonlyMap<string, PolicyEntry>): string {
  const sorted = [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
  const policies = sorted.map(([domain, entry]) => textOf(domain, entry)).filter((text) => text !== '');
  return `{"policies":[${policies.join(',')}]}`;
}

/** What the file has of a domain; nothing without a policy. */
function textOf(domain: string, entry: PolicyEntry | undefined): string {
  if (entry?.policy === undefined) return '';
  const { fetched, id, mode, mx, maxAge } = entry.policy;
  const day = Math.floor(fetched / dayMs);
  return JSON.stringify({ domain, day, id, mode, mx: [...mx], maxAge } satisfies File['policies'][number]);
}

async function read(path: string): Promise<File['policies']> {
  try {
    return file.parse(JSON.parse(await readFile(path, 'utf8'))).policies;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    // Without the cause, which may show a domain.
    throw new NodeError('policies-damaged', `${path} cannot be read as MTA-STS policies`, {
      exitCode: ExitCode.config,
      hint: 'Restore it, or remove it: policies are then fetched anew, and until then nothing is known of them.',
    });
  }
}
