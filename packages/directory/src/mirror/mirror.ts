import type { Clock, Endpoint, Log } from '@postern/runtime';
import type { Archive } from '../client/archive.ts';
import type { DirectoryClient } from '../client/client.ts';
import type { Held } from '../client/collect.ts';
import { createTexts } from '../publish/codings.ts';
import { addDocumentRoutes, type Documents } from '../publish/documents.ts';
import * as schema from '../publish/schema.ts';
import { type Served, serve } from '../publish/serve.ts';
import type { Issued } from '../store.ts';
import { type CopiedLog, copyLog } from './leaves.ts';

export interface MirrorOptions {
  readonly listen: Endpoint;
  readonly directory: Pick<DirectoryClient, 'archive'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Serves to readers what a node has as a reader (spec consensus 10.7). */
export interface Mirror extends Served {
  /** Brings what is served to the newest consensus taken; to be called with each. Never rejects. */
  update(): Promise<void>;
}

/** Throws `UserError` when the address cannot be had. */
export async function startMirror({ listen, directory, clock, log }: MirrorOptions): Promise<Mirror> {
  const { archive } = directory;
  const copy = copyLog(archive);
  let parameters: string | undefined;
  let checkpoint: Awaited<ReturnType<Archive['checkpoint']>>;
  const update = oneAtATime(async () => {
    const newest = currentOf(archive, clock.now() / 1_000);
    if (newest === undefined) return;
    const { consensus, digest } = newest;
    if (!(await copy.extend(consensus.log, { epoch: consensus.epoch, digest })))
      log.warn('the log is not mirrored: nobody gives all of it', { epoch: consensus.epoch });
    parameters = (await archive.parameters()) ?? parameters;
    const found = await archive.checkpoint();
    if (found !== undefined && copy.rootAt(found.size) === found.root) checkpoint = found;
  });
  const served = await serve({
    listen,
    setting: '`listen` in [mirror]',
    what: 'the directory cannot be mirrored',
    openapi: schema.mirrorDocument,
    now: () => clock.now(),
    addRoutes: (server) =>
      addDocumentRoutes(
        server,
        documentsOf(archive, copy, {
          clock,
          // a reader takes none that too few have signed
          parameters: () => (parameters === undefined ? undefined : { signed: parameters, isComplete: true }),
          checkpoint: () => checkpoint?.signed,
        }),
        createTexts(),
      ),
  });
  return {
    ...served,
    update: () =>
      update().catch((error: unknown) => {
        log.warn('the mirror is not up to date', { why: error instanceof Error ? error.name : 'unknown' });
      }),
  };
}

function documentsOf(
  archive: Archive,
  copy: CopiedLog,
  { clock, ...signed }: Pick<Documents, 'parameters' | 'checkpoint'> & { readonly clock: Clock },
): Documents {
  const seconds = (): number => clock.now() / 1_000;
  return {
    ...signed,
    history: copy,
    current: () => issuedAs(currentOf(archive, seconds())),
    issued: (epoch) => issuedAs(archive.documents().get(epoch)),
    certificates: archive.certificates,
    allCertificates: archive.certificates,
    outages: archive.outages,
    isOpen: (epoch) => seconds() < (archive.documents().get(epoch)?.consensus.freshUntil ?? 0),
    freshFor(epoch) {
      const { validAfter = 0, freshUntil = 0 } = archive.documents().get(epoch)?.consensus ?? {};
      return validAfter > seconds() ? 0 : Math.max(0, Math.floor(freshUntil - seconds()));
    },
  };
}

/** The newest that has begun and is valid. */
function currentOf({ documents }: Archive, now: number): Held | undefined {
  return [...documents().values()]
    .filter(({ consensus }) => consensus.validAfter <= now && now < consensus.validUntil)
    .sort((a, b) => a.consensus.epoch - b.consensus.epoch)
    .at(-1);
}

function issuedAs(held: Held | undefined): Issued | undefined {
  return held && { epoch: held.consensus.epoch, digest: held.digest, signed: held.signed };
}

/** What is asked for while it is under way is done once more after it, however often it is asked for. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    next = undefined;
    last = work();
    return last;
  };
  return () => {
    next ??= last.then(begin, begin);
    return next;
  };
}
