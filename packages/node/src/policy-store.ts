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

  let written = format(entries);

  const forget = (): void => {
    for (const [domain, { policy, failed }] of entries) {
      if (policy !== undefined && clock.now() < endOf(policy)) continue;
      if (failed === undefined || clock.now() >= failed.at + failureMs) entries.delete(domain);
      else entries.set(domain, { failed });
    }
    for (const domain of entries.keys()) {
      if (entries.size <= mostPolicies) return;
      entries.delete(domain);
    }
  };
  let writing = Promise.resolve();
  const save = (): Promise<void> => {
    writing = writing
      .catch(() => undefined)
      .then(async () => {
        forget();
        const text = format(entries);
        if (text === written) return;
        await writeFileDurable(path, text);
        written = text;
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
      entries.delete(domain);
      entries.set(domain, entry);
      await save().catch(() => log.error('an MTA-STS policy could not be kept'));
    },
    start: () =>
      startLoop({ clock, log, trouble: 'MTA-STS policies could not be kept' }, async (stop) => {
        await clock.wait(clock.now() + forgetMs, stop);
        await save();
      }),
  };
}

/** Policies of a process's life. The oldest go first. */
export function policiesInMemory(): PolicyStore {
  const policies = new Map<string, PolicyEntry>();
  return {
    get: async (domain) => policies.get(domain),
    async set(domain, entry) {
      if (policies.size >= mostPolicies) policies.delete(policies.keys().next().value ?? '');
      policies.set(domain, entry);
    },
  };
}

const dayMs = 86_400_000;
const longestMs = 31 * dayMs;
const forgetMs = 3_600_000;
/** A failure counts for minutes. */
const failureMs = 3_600_000;
/** The oldest go first. */
const mostPolicies = 10_000;

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
  const policies = [...entries].flatMap(([domain, { policy }]): File['policies'] => {
    if (policy === undefined) return [];
    const { fetched, id, mode, mx, maxAge } = policy;
    return [{ domain, day: Math.floor(fetched / dayMs), id, mode, mx: [...mx], maxAge }];
  });
  policies.sort((one, other) => (one.domain < other.domain ? -1 : 1));
  return JSON.stringify({ policies } satisfies File);
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
