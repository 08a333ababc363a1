import {
  createDirectoryClient,
  type DirectoryClient,
  DirectoryError,
  type VerifiedConsensus,
} from '@postern/directory/client';
import { createSmtpSender, type SmtpSender } from '@postern/mail';
import type { Consensus } from '@postern/protocol/consensus';
import { isDomain } from '@postern/protocol/packet';
// Drawn by the provider itself, so that it encapsulates natively.
import { systemRandom } from '@postern/protocol/primitives';
import type { Constraints, Explanation } from '@postern/protocol/route';
import { type Clock, type Log, type Random, silentLog, systemClock } from '@postern/runtime';
import type { Resolver } from '@postern/runtime/dns';
import { domainOf } from './compose/gateway.ts';
import { type ClientConfig, readClientConfig } from './config.ts';
import {
  type DomainCheck,
  type Domains,
  openDomains,
  openResolver,
  type Prefetched,
  prefetch,
} from './domains/index.ts';
import { inTheOutbox, unsealable } from './faults.ts';
import { type Keys, openKeys, type PassphraseSource } from './keys/index.ts';
import type { Problem } from './message.ts';
import { once } from './once.ts';
import { type Opened, open } from './open/open.ts';
import { type Outbox, openOutbox } from './outbox/index.ts';
import type { ClientPaths } from './paths.ts';
import { queue, type RecipientResult } from './pipeline.ts';
import { type PrepareOptions, prepare } from './prepare.ts';
import { mergeConstraints, plan } from './route/route.ts';
import { type FirstMix, type NoMix, type Submission, submit } from './submit/submit.ts';
import { within } from './submit/within.ts';

export type { Opened };

export interface ClientOptions {
  readonly paths: ClientPaths;
  /** Read from `paths.configFile` when first needed, unless given. */
  readonly config?: ClientConfig;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
  /** Asked once for each protected key. */
  readonly passphrase?: PassphraseSource;
  /** Borrowed: whoever gives one closes it. */
  readonly sender?: SmtpSender;
  readonly directory?: DirectoryClient;
  /** Who is asked for domains, instead of whom the configuration names. */
  readonly resolver?: Resolver;
}

/** What happens while a message is built and handed over: packets, and the bytes of those done. */
export type Progress =
  | {
      readonly kind: 'built' | 'submitted';
      readonly done: number;
      readonly of: number;
      readonly bytes: number;
    }
  /** Nothing moves until then, in the clock's milliseconds. */
  | { readonly kind: 'pause'; readonly untilMs: number };

export interface SubmitRequest {
  /** How long to try, milliseconds; the configured time when absent. 0 tries nothing: packets stay in the outbox. */
  readonly timeoutMs?: number | undefined;
  /** Ends it early; what is in the outbox stays there. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: Progress) => void;
}

export interface PrefetchRequest {
  /** Over how long the questions are spread, milliseconds. */
  readonly withinMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onChecked?: (check: DomainCheck) => void;
}

export interface SendRequest extends PrepareOptions, SubmitRequest {}

/** `sent`: it is in the outbox, and so far on its way as `submitted` and `pending` say. */
export type SendOutcome =
  | ({
      readonly kind: 'sent';
      readonly messageId: string;
      /** Names the message in the outbox, and the author's copy. */
      readonly id: string;
      readonly recipients: readonly RecipientResult[];
      /** What went wrong although the message is on its way, in sentences. */
      readonly warnings: readonly string[];
    } & Submission)
  /** Nothing was stored and nothing was sent. */
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] };

/** A person's end: what the commands do, as values, without a terminal. Keys and certificates are read once. */
export interface Client extends AsyncDisposable {
  readonly paths: ClientPaths;
  readonly keys: Keys;
  readonly domains: Domains;
  readonly outbox: Outbox;
  config(): Promise<ClientConfig>;
  /** The paths that a message may take now. */
  route(
    constraints?: Constraints,
    meanDelayMs?: number,
  ): Promise<{ consensus: Consensus; explanation: Explanation }>;
  /** RFC 5322 in. Every check is made before anything is stored. */
  send(message: Uint8Array, request?: SendRequest): Promise<SendOutcome>;
  /** Hands over what waits in the outbox. */
  flush(request?: SubmitRequest): Promise<Submission>;
  /** Asks DNS ahead of time for every domain that is known, and those of everybody whose certificate is here. */
  prefetch(request: PrefetchRequest): Promise<Prefetched>;
  /** A sealed message as it was delivered. */
  open(sealed: Uint8Array): Promise<Opened>;
}

/** Opens nothing and asks nothing until it has to. Disposed, it closes its connections and ends what it still asks the directory. */
export function createClient(options: ClientOptions): Client {
  const { paths, clock = systemClock, random = systemRandom, log = silentLog, passphrase } = options;
  const keys = openKeys({
    directory: paths.keys,
    clock,
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  const outbox = openOutbox(paths, random);

  const closing = new AbortController();

  const config = once(async () => options.config ?? readClientConfig(paths.configFile));
  const directory = once(async () => {
    if (options.directory !== undefined) return options.directory;
    const { urls, authorities, threshold } = (await config()).directory;
    return createDirectoryClient({
      urls,
      authorities,
      threshold,
      cacheDir: paths.consensus,
      clock,
      random,
      log,
      signal: closing.signal,
    });
  });
  const domains = openDomains({
    directory: paths.domains,
    cacheDirectory: paths.domainCache,
    clock,
    dns: once(async () => {
      const { dns } = await config();
      const resolver = options.resolver ?? (await openResolver(dns, clock));
      return resolver && { resolver, unsigned: dns.unsigned };
    }),
  });
  const ownSender = once(async () => {
    const { ehlo, send } = await config();
    return createSmtpSender({ ehloName: ehlo, maxConnectionsPerPeer: send.connections });
  });
  const recovered = once(() => outbox.recover());
  const current = async (): Promise<VerifiedConsensus> => (await directory()).current();

  const lookUp = async (id: string): Promise<FirstMix | NoMix> =>
    firstMix(await current().catch(noConsensus), id);

  /** Hands over the packets of one set, or of all. */
  const handOver = async (set: string | undefined, request: SubmitRequest): Promise<Submission> => {
    const { mailbox, send } = await config();
    const { timeoutMs = send.timeoutMs, signal, onProgress } = request;
    const packets = await outbox.queued(set);
    if (packets.length === 0) return { submitted: 0, pending: 0, waiting: [], held: [] };
    const deadline = clock.now() + timeoutMs;
    let done = 0;
    let bytes = 0;
    return submit(packets, {
      sender: options.sender ?? (await ownSender()),
      fromDomain: mailbox.slice(mailbox.lastIndexOf('@') + 1),
      firstMix: (id) => within(deadline - clock.now(), signal, lookUp(id)),
      clock,
      random,
      connections: send.connections,
      deadline,
      signal,
      onSubmitted(length) {
        done += 1;
        bytes += length;
        onProgress?.({ kind: 'submitted', done, of: packets.length, bytes });
      },
      onPause: (untilMs) => onProgress?.({ kind: 'pause', untilMs }),
    });
  };

  return {
    paths,
    keys,
    domains,
    outbox,
    config,
    async route(constraints, meanDelayMs) {
      const { route, send } = await config();
      const { consensus } = await current();
      const mean = meanDelayMs ?? send.meanDelayMs ?? consensus.meanDelayMs;
      return {
        consensus,
        explanation: plan(consensus, mergeConstraints(route, constraints), mean).explanation,
      };
    },
    async send(message, request = {}) {
      await recovered();
      const deps = { config: await config(), keys, domains, directory: await directory(), clock, random };
      const prepared = await prepare(message, request, deps);
      if (prepared.kind === 'refused') return prepared;
      const { work } = prepared;
      const { packetBytes } = work.era.geometry;
      const queued = await queue(work, {
        outbox,
        clock,
        random,
        signal: request.signal,
        onBuilt: (done, of) => request.onProgress?.({ kind: 'built', done, of, bytes: done * packetBytes }),
      }).catch(unsealable);
      if (queued.kind === 'refused') return queued;
      const { set: id, recipients } = queued;
      const warnings = [...prepared.warnings, ...queued.warnings];
      const submission = await handOver(id, request).catch((cause) => inTheOutbox(id, cause));
      return { kind: 'sent', messageId: work.draft.messageId, id, recipients, warnings, ...submission };
    },
    async flush(request = {}) {
      await recovered();
      return handOver(undefined, request);
    },
    async prefetch(request) {
      const known = await domains.list();
      const contacts = (await keys.list())
        .filter(({ kind }) => kind === 'pinned')
        .map(({ mailbox }) => domainOf(mailbox));
      const names = new Set([...known, ...contacts].map((name) => name.toLowerCase()).filter(isDomain));
      return prefetch([...names], domains, { ...request, clock, random });
    },
    open: (sealed) => open(sealed, { keys, now: new Date(clock.now()) }),
    async [Symbol.asyncDispose]() {
      closing.abort();
      if (ownSender.started()) await (await ownSender()).close();
    },
  };
}

function firstMix(verified: VerifiedConsensus | undefined, id: string): FirstMix | NoMix {
  if (verified === undefined) return { kind: 'no-consensus' };
  const node = verified.consensus.nodes.find((each) => each.id === id);
  if (node === undefined) return { kind: 'unknown' };
  return { kind: 'mix', name: node.name, peer: { ...node.smtp, tlsPin: node.tlsPin } };
}

/** Without a consensus packets wait; anything else that goes wrong is a fault. */
function noConsensus(error: unknown): undefined {
  if (error instanceof DirectoryError) return undefined;
  throw error;
}
