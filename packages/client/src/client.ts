import {
  createDirectoryClient,
  type DirectoryClient,
  type VerifiedConsensus,
} from '@postern/directory/client';
import { createSmtpSender, readReport, type SmtpSender } from '@postern/mail';
import type { Consensus } from '@postern/protocol/consensus';
import { isDomain } from '@postern/protocol/packet';
// Drawn by the provider itself, so that it encapsulates natively.
import { systemRandom } from '@postern/protocol/primitives';
import type { Constraints } from '@postern/protocol/route';
import { type Clock, type Log, type Random, silentLog, systemClock } from '@postern/runtime';
import { openResolver, type Resolver } from '@postern/runtime/dns';
import { type Account, openAccount } from './account/account.ts';
import { noPassword, type PasswordSource } from './account/password.ts';
import { domainOf } from './compose/gateway.ts';
import type { Consent } from './compose/reader.ts';
import { type ClientConfig, readClientConfig } from './config.ts';
import { type Domains, openDomains, type Prefetched, prefetch } from './domains/index.ts';
import { ClientError } from './errors.ts';
import { inTheOutbox, type Unsealable, unsealable } from './faults.ts';
import { hopTo, readyCarriage } from './hops.ts';
import { type Keys, openKeys, type PassphraseSource, type WkdOptions } from './keys/index.ts';
import { meetBy } from './meet.ts';
import { once } from './once.ts';
import { type Described, describeCopy } from './open/copy.ts';
import { type Opened as OpenedMessage, open } from './open/open.ts';
import { type Report as BareReport, openReport } from './open/report.ts';
import { type Outbox, openOutbox, type Staged, stageFiles } from './outbox/index.ts';
import { pathOf } from './path.ts';
import type { ClientPaths } from './paths.ts';
import { type Queued, queue, type Work } from './pipeline.ts';
import { type Prepared, type PrepareOptions, prepare } from './prepare.ts';
import type {
  PrefetchRequest,
  PreviewOutcome,
  Routes,
  SendOutcome,
  SendRequest,
  SubmitRequest,
  WrapOutcome,
  WrapRequest,
} from './requests.ts';
import { openReturns } from './returns/index.ts';
import { isFindable, sourcesOf } from './sources.ts';
import { type Submission, submit } from './submit/submit.ts';
import { within } from './submit/within.ts';

/** What became of a message that went out from here, and what it is known by as far as the copy of it can be opened. */
export type Report = BareReport & Described;
export type Opened = OpenedMessage | Report;

export interface ClientOptions {
  readonly paths: ClientPaths;
  /** Read from `paths.configFile` when first needed, unless given. */
  readonly config?: ClientConfig;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
  /** Asked once for each protected key. */
  readonly passphrase?: PassphraseSource;
  /** Asked once for the password at the author's own gateway, if no other place of it is configured. */
  readonly password?: PasswordSource;
  /** Asked before `send` looks a recipient's key up, where the configuration says `ask`; refused unless given. */
  readonly consent?: Consent;
  /** For a network of one's own: where Web Key Directories are. */
  readonly wkd?: WkdOptions['own'];
  /** Borrowed: whoever gives one closes it. */
  readonly sender?: SmtpSender;
  readonly directory?: DirectoryClient;
  /** Who is asked for domains, instead of whom the configuration names. */
  readonly resolver?: Resolver;
}

/** A person's end: what the commands do, as values, without a terminal. Keys and certificates are read once. */
export interface Client extends AsyncDisposable {
  readonly paths: ClientPaths;
  readonly keys: Keys;
  readonly domains: Domains;
  readonly outbox: Outbox;
  config(): Promise<ClientConfig>;
  /** The paths that a message may take now, and what `send` would say of them. */
  route(constraints?: Constraints, meanDelayMs?: number): Promise<Routes>;
  /** RFC 5322 in. Every check is made before anything is stored. */
  send(message: Uint8Array, request?: SendRequest): Promise<SendOutcome>;
  /** Makes every check that `send` makes, and nothing of the message. */
  preview(message: Uint8Array, request?: PrepareOptions): Promise<PreviewOutcome>;
  /** As `send`, but into files, for another program to hand over to the gateway of the author's own domain. */
  wrap(message: Uint8Array, request: WrapRequest): Promise<WrapOutcome>;
  /** Hands over what waits in the outbox. */
  flush(request?: SubmitRequest): Promise<Submission>;
  /**
   * Asks DNS ahead of time for every domain that is known, and those of everybody whose certificate is here. Throws `no-resolver` when
   * nobody may be asked.
   */
  prefetch(request: PrefetchRequest): Promise<Prefetched>;
  /** A sealed message as it was delivered, or a report of one's own gateway. */
  open(mail: Uint8Array): Promise<Opened>;
  /** Removes what opens the reports of a token, once the last of them has been shown: a `failed` one. */
  forgetReturn(token: string): Promise<void>;
}

const noGateway =
  'no gateway of your own domain is configured ([submission]): if it has none, nobody takes these files; postern send hands over without one';

/** Opens nothing and asks nothing until it has to. Disposed, it closes its connections and ends what it still asks the directory. */
export function createClient(options: ClientOptions): Client {
  const { paths, clock = systemClock, random = systemRandom, log = silentLog, passphrase } = options;
  const { password = noPassword } = options;
  const keys = openKeys({
    directory: paths.keys,
    clock,
    sources: async () => sourcesOf((await config()).keys, await resolver(), options.wkd),
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  const outbox = openOutbox(paths, random);
  const returns = openReturns({ directory: paths.returns, clock });

  const closing = new AbortController();

  const config = once(async () => options.config ?? readClientConfig(paths.configFile));
  const directory = once(async () => {
    if (options.directory !== undefined) return options.directory;
    return createDirectoryClient({
      ...(await config()).directory,
      cacheDir: paths.consensus,
      clock,
      random,
      log,
      signal: closing.signal,
    });
  });
  const resolver = once(async () => options.resolver ?? openResolver((await config()).dns, clock));
  const domains = openDomains({
    directory: paths.domains,
    cacheDirectory: paths.domainCache,
    clock,
    dns: once(async () => {
      const { dns } = await config();
      const asked = await resolver();
      return asked && { resolver: asked, unsigned: dns.unsigned };
    }),
  });
  const ownSender = once(async () => {
    const { ehlo, send } = await config();
    return createSmtpSender({
      ehloName: ehlo,
      maxConnectionsPerPeer: send.connections,
      meet: meetBy(directory),
    });
  });
  const account = once(async (): Promise<Account | undefined> => {
    const { submission } = await config();
    return submission && openAccount(submission, password, closing.signal);
  });
  const recovered = once(async () => {
    await outbox.recover();
    await returns.prune();
  });
  const current = async (): Promise<VerifiedConsensus> => (await directory()).current();
  const recent = async (): Promise<readonly Consensus[]> => (await directory()).recent();

  const prepareFor = async (
    message: Uint8Array,
    request: PrepareOptions,
    way: { gateway: boolean; account: boolean; pins: boolean },
  ): Promise<Prepared> => {
    const settings = await config();
    const resolves = options.resolver !== undefined || settings.dns.resolver !== 'none';
    return prepare(message, request, {
      config: settings,
      keys,
      domains,
      directory: await directory(),
      clock,
      random,
      consent: options.consent,
      findable: isFindable(settings.keys, resolves),
      ...way,
    });
  };

  const build = (
    work: Work,
    stage: () => Promise<Staged>,
    { signal, onProgress }: Pick<SubmitRequest, 'signal' | 'onProgress'>,
  ): Promise<Queued | Unsealable> => {
    const { packetBytes } = work.geometry;
    return queue(work, {
      stage,
      clock,
      random,
      signal,
      onBuilt: (done, of) => onProgress?.({ kind: 'built', done, of, bytes: done * packetBytes }),
    }).catch(unsealable);
  };

  /** Hands over the packets of one set, or of all. */
  const handOver = async (set: string | undefined, request: SubmitRequest): Promise<Submission> => {
    const { mailbox, send } = await config();
    const { timeoutMs = send.timeoutMs, signal, onProgress } = request;
    const packets = await outbox.queued(set);
    if (packets.length === 0) return { submitted: 0, pending: 0, waiting: [], held: [] };
    const gateway = await account();
    // Before the time runs: a person may have to be asked.
    if (timeoutMs > 0) await gateway?.peer();
    const deadline = clock.now() + timeoutMs;
    let done = 0;
    let bytes = 0;
    const submission = await submit(packets, {
      sender: options.sender ?? (await ownSender()),
      fromDomain: domainOf(mailbox),
      hopTo: (next) =>
        within(deadline - clock.now(), signal, hopTo(next, { account: gateway, mailbox, current, recent })),
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
      onPause: (untilMs, waiting) => onProgress?.({ kind: 'pause', untilMs, waiting }),
    });
    if (submission.held.some(({ reason }) => reason === 'no-login')) gateway?.forget();
    return submission;
  };

  return {
    paths,
    keys,
    domains,
    outbox,
    config,
    async route(constraints, meanDelayMs) {
      const settings = await config();
      const verified = await current();
      const { explanation, problems, warnings } = pathOf(verified, { constraints, meanDelayMs }, settings, {
        now: new Date(clock.now()),
        account: settings.submission?.kind === 'account',
        out: await (await directory()).out(verified),
      });
      return { consensus: verified.consensus, explanation, problems, warnings };
    },
    async send(message, request = {}) {
      await recovered();
      const gateway = await account();
      const prepared = await prepareFor(message, request, {
        gateway: gateway !== undefined,
        account: gateway?.kind === 'account',
        pins: true,
      });
      if (prepared.kind === 'refused') return prepared;
      const work = await prepared.work();
      // As any other check, before something is stored.
      if (request.timeoutMs !== 0) await gateway?.peer();
      const queued = await build(work, () => outbox.stage(), request);
      if (queued.kind === 'refused') return queued;
      const { set: id, recipients } = queued;
      const { messageId } = prepared.draft;
      const warnings = [...prepared.warnings, ...queued.warnings];
      const submission = await handOver(id, request).catch((cause) => inTheOutbox(id, cause));
      const by = gateway?.kind === 'account' ? { account: (await config()).mailbox } : {};
      return { kind: 'sent', messageId, id, recipients, ...by, warnings, ...submission };
    },
    async preview(message, request = {}) {
      const { submission, mailbox: own } = await config();
      const account = submission?.kind === 'account';
      const gateway = submission !== undefined;
      const prepared = await prepareFor(message, request, { gateway, account, pins: false });
      if (prepared.kind === 'refused') return prepared;
      const { addressees, returning, warnings } = prepared;
      const recipients = addressees.map(({ mailbox, key, record, travel }) => ({
        mailbox,
        key,
        record,
        ...travel,
        reports: returning !== undefined && (travel.mode === 'direct' || returning.served),
      }));
      return { kind: 'planned', recipients, ...(account ? { account: own } : {}), warnings };
    },
    async wrap(message, request) {
      if ((await account())?.kind === 'account') {
        throw new ClientError(
          'wrong-use',
          'files are for the gateway of your own domain, and [submission] names an account',
          {
            hint: 'Hand over with postern send.',
          },
        );
      }
      await recovered();
      const prepared = await prepareFor(message, request, { gateway: true, account: false, pins: true });
      if (prepared.kind === 'refused') return prepared;
      const work = await prepared.work();
      const { mailbox, submission } = await config();
      const staged = await stageFiles(request.directory, paths, random, (packet) =>
        readyCarriage(packet, { mailbox, clock, random, current }),
      );
      const queued = await build(work, async () => staged, request);
      if (queued.kind === 'refused') return queued;
      const { set: id, recipients } = queued;
      const { messageId } = prepared.draft;
      const unnamed = submission === undefined ? [noGateway] : [];
      const warnings = [...prepared.warnings, ...queued.warnings, ...unnamed];
      return { kind: 'wrapped', messageId, id, recipients, warnings, files: staged.files };
    },
    async flush(request = {}) {
      await recovered();
      return handOver(undefined, request);
    },
    async open(mail) {
      const now = new Date(clock.now());
      const read = readReport(mail);
      if (read.kind === 'no-report') return open(mail, { keys, now });
      await recovered();
      const opened = openReport(read, await returns.find(read.token));
      return opened.kind === 'refused'
        ? opened
        : { ...opened, ...(await describeCopy(opened.set, { sent: paths.sent, keys, now })) };
    },
    forgetReturn: (token) => returns.forget(token),
    async prefetch(request) {
      if ((await resolver()) === undefined) {
        throw new ClientError(
          'no-resolver',
          `${paths.configFile} says resolver = "none": nobody may be asked`,
          {
            hint: 'Name a resolver in its section [dns]. What is pinned (postern domain pin FILE) needs no asking.',
          },
        );
      }
      const known = await domains.list();
      const contacts = (await keys.list())
        .filter(({ kind }) => kind === 'pinned')
        .map(({ mailbox }) => domainOf(mailbox));
      const names = new Set([...known, ...contacts].map((name) => name.toLowerCase()).filter(isDomain));
      return prefetch([...names], domains, { ...request, clock, random });
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      if (ownSender.started()) await (await ownSender()).close();
    },
  };
}
