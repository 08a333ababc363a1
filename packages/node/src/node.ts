import { join } from 'node:path';
import {
  createDirectoryClient,
  type DirectoryClient,
  type VerifiedConsensus,
} from '@postern/directory/client';
import { startMirror } from '@postern/directory/mirror';
import type { SmtpSender } from '@postern/mail';
import {
  type Clock,
  createMetrics,
  type Endpoint,
  exportMetrics,
  type Log,
  type Metrics,
  type Random,
  requirePrivateDirectory,
  serveControl,
} from '@postern/runtime';
import { openResolver, type Resolver } from '@postern/runtime/dns';
import { createBell } from './bell.ts';
import { callsOf } from './calls.ts';
import type { NodeConfig } from './config.ts';
import { createCounters } from './counters.ts';
import { lockDataDir } from './data-lock.ts';
import { openDomainKeys } from './domain.ts';
import { openEpochs } from './epochs.ts';
import { createSender } from './forward/sender.ts';
import { addGauges } from './gauges.ts';
import type { Identity } from './keys/identity.ts';
import { loadSigningKey } from './keys/signing.ts';
import { createLifetime } from './lifetime.ts';
import { createLoad } from './load.ts';
import { createLookUps } from './lookups.ts';
import { createMeet } from './meet.ts';
import { learnNetwork } from './network.ts';
import { createNewestKey } from './newest-key.ts';
import { startPipeline } from './pipeline.ts';
import { openPolicies } from './policy-store.ts';
import { watchProof } from './proof.ts';
import { openSpool } from './queue/open.ts';
import { follow } from './register/follow.ts';
import { register } from './register/register.ts';
import { chooseStages, registeringStage, type StageName, stagesOf } from './stages.ts';
import { watchStanding } from './standing.ts';
import {
  consensusStatus,
  type NodeStatus,
  spoolStatus,
  type ToldStatus,
  troubleStatus,
  undrawnStatus,
  untakenStatus,
} from './status.ts';
import { openSubmission } from './submission.ts';
import type { SubmissionAddress } from './submit/submit.ts';
import { sweep } from './sweep.ts';
import { openTlsKeys } from './tls.ts';
import { createTopology } from './topology.ts';
import { connectionsPerPeer, contextOf, type Parts, reportsOf } from './wiring.ts';

export interface NodeDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Hands carriages over; a pooled SMTP sender when not given. Closed with the node. */
  readonly sender?: SmtpSender;
  /** Asked about other domains; as configured when not given. */
  readonly resolver?: Resolver;
  /** Names of the stages that this process runs of the node, beside others; all that its roles have when not given. */
  readonly stages?: readonly string[];
  /** Closes the node when it aborts. */
  readonly signal?: AbortSignal;
}

export interface RunningNode extends AsyncDisposable {
  /** Hex SHA-256 of the identity key. */
  readonly id: string;
  /** Where it takes SMTP; where the node advertises that another process does. */
  readonly smtp: Endpoint;
  /** Where it takes what the domain's authors submit. */
  readonly submissions: readonly SubmissionAddress[];
  /** Where it serves readers, without a slash at the end; undefined when it does not. */
  readonly mirror: string | undefined;
  /** Resolves once the node is in a consensus, or was counted for one; rejects when it is closed before. */
  readonly ready: Promise<void>;
  /** Resolves when the node cannot go on, with what its process had better end with. */
  readonly broken: Promise<Error>;
  /** Rejects with `NodeError` while its spool does not answer. */
  status(): Promise<NodeStatus>;
  /** Resolves while the node does its work; rejects, or stays open, when it does not. That its Redis is away is no fault of it. */
  alive(): Promise<void>;
  /** Stops taking, finishes what is under way, closes. What is not finished by then is taken up at the next start. */
  close(): Promise<void>;
}

/** What under way may take, once the node is told to stop. */
const drainMs = 10_000;

/**
 * Runs a node on the data directory that `initNode` made. Resolves once it takes carriages, which on the very first start
 * needs a directory that answers. Throws `NodeError`, `MailError`, `DirectoryError`; `UserError` for `stages` that do not
 * hold, an address that cannot be had, and secrets that others may get at; an `AbortError` when `signal` aborts first.
 */
export async function startNode(config: NodeConfig, deps: NodeDeps): Promise<RunningNode> {
  const { clock, random, log } = deps;
  deps.signal?.throwIfAborted();
  const chosen = deps.stages === undefined ? stagesOf(config) : chooseStages(deps.stages, config);
  const ending = new AbortController();
  deps.signal?.addEventListener('abort', () => ending.abort(), { once: true });
  await using opened = new AsyncDisposableStack();
  await requirePrivateDirectory(config.dataDir);
  const identity = await loadSigningKey(config.dataDir);
  opened.use(lockDataDir(config.dataDir));
  const directory = directoryClient(config, deps, ending.signal);
  const metrics = createMetrics(random);
  const made = { ...deps, stages: chosen, identity, directory, metrics, signal: ending.signal };
  const parts = await openParts(config, made, opened);
  const { stages, topology, counters, spool, epochs, tls, network, lifetime, submission, load } = parts;
  const { forked } = parts;
  const { epochSeconds } = network;
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined); // whoever waits for it is told; nobody has to

  const reports = reportsOf(parts);
  opened.defer(() => reports.close());
  const pipeline = await startPipeline(contextOf(parts, reports));
  opened.defer(async () => {
    lifetime.stop();
    await pipeline.close();
    lifetime.ended();
  });
  const address = pipeline.server?.address;
  const submissions = pipeline.submissions?.addresses ?? [];
  const advertised = config.smtp.advertise;
  const smtp = { host: advertised.host, port: advertised.port || (address?.port ?? 0) };
  const registration = stages.has(registeringStage(config))
    ? register({
        clock,
        random,
        log,
        config,
        identity,
        directory,
        smtp,
        load,
        epochSeconds,
        tlsPins: tls.pins,
      })
    : undefined;
  opened.defer(() => registration?.close());
  const standing = watchStanding(identity.id, { topology, directory });
  const mirror =
    config.mirror && stages.has(registeringStage(config))
      ? opened.use(await startMirror({ listen: config.mirror.listen, directory, clock, log }))
      : undefined;
  const onConsensus = (consensus: VerifiedConsensus): void => {
    void mirror?.update();
    tls.note(consensus);
    epochs.confirm(consensus.consensus.epoch);
    void standing.note(consensus).then((is) => {
      if (is !== 'absent') ready.resolve();
    });
  };
  const { resolver } = parts;
  const proof = resolver && watchProof({ clock, log, resolver });
  const proofNow = (): NodeStatus['dns'] => proof?.current() ?? 'unasked';
  const following = follow({ clock, random, log, directory, topology, network, forked, onConsensus });
  const loops = [
    following,
    epochs.start((mixKeys) => registration?.announce(mixKeys)),
    tls.start({
      show: (certificate) => {
        pipeline.server?.updateTls(certificate);
        if (submission?.files === undefined) pipeline.submissions?.updateTls(certificate);
      },
      announce: () => registration?.renew(),
    }),
    ...(parts.domainKeys === undefined
      ? []
      : [parts.domainKeys.start(parts.lookUps.names, () => topology.valid() !== undefined)]),
    ...(parts.newestKey === undefined ? [] : [parts.newestKey.start()]),
    ...(submission === undefined ? [] : [submission.dkim.start(parts.lookUps.names)]),
    ...(submission?.files === undefined
      ? []
      : [submission.files.start((pair) => pipeline.submissions?.updateTls(pair))]),
    ...(parts.policies === undefined ? [] : [parts.policies.start()]),
    sweep({ clock, log, spool, counters, reports: stages.has('unwrap') ? reports : undefined }),
    ...(proof === undefined ? [] : [proof]),
  ];
  for (const loop of loops) opened.defer(() => loop.stop());

  const known = async (): Promise<Omit<NodeStatus, 'counts'>> => ({
    name: config.name,
    id: identity.id,
    roles: config.roles,
    stages: [...stages],
    smtp: address ?? null,
    submissions,
    epoch: epochs.epoch,
    unusedMixKeys: epochs.unused() ?? null,
    consensus: consensusStatus(topology, standing.current()),
    consensusTrouble: troubleStatus(following.trouble()),
    descriptorTrouble: undrawnStatus(registration?.undrawn()),
    untakenBy: untakenStatus(registration?.untaken() ?? []),
    tlsKeys: tls.status(),
    dkimKeys: submission?.dkim.status() ?? [],
    dns: proofNow(),
    exitByDns: parts.lookUps.exits !== undefined,
    domainKeys: parts.domainKeys?.fingerprints() ?? [],
    domainKeyOverlap: parts.domainKeys?.overlap() ?? null,
    counters: await counters.values(),
  });
  const status = async (): Promise<NodeStatus> => ({ ...(await known()), counts: await spool.counts() });
  const alive = async (): Promise<void> => {
    await known();
    await spool.alive();
  };
  const told = async (): Promise<ToldStatus> => ({ ...(await known()), ...(await spoolStatus(spool)) });
  addGauges(metrics, parts, { counted: () => standing.current() !== 'absent', proof: proofNow });
  const exporter = opened.use(await exportMetrics({ metrics, clock, random, ...config.metrics }));
  const socketPath = join(config.dataDir, 'control.sock');
  opened.use(await serveControl({ socketPath, status: told, metrics: exporter.text, calls: callsOf(parts) }));

  const running = opened.move();
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    ending.abort();
    ready.reject(new DOMException('the node was closed', 'AbortError'));
    closed ??= running.disposeAsync().then(() => log.info('stopped'));
    return closed;
  };
  ending.signal.addEventListener('abort', () => void close(), { once: true });
  if (ending.signal.aborted) void close();
  log.info('started', { roles: config.roles.join(' '), stages: [...stages].join(' '), epoch: epochs.epoch });
  return {
    id: identity.id,
    smtp: address ?? advertised,
    submissions,
    mirror: mirror?.url,
    ready: ready.promise,
    broken: Promise.race([spool.broken, lifetime.broken]),
    status,
    alive,
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface Made extends NodeDeps {
  readonly stages: readonly StageName[];
  readonly signal: AbortSignal;
  readonly identity: Identity;
  readonly directory: DirectoryClient;
  readonly metrics: Metrics;
}

/** Everything that the stages stand on; what has to be closed goes to `opened`. */
async function openParts(config: NodeConfig, made: Made, opened: AsyncDisposableStack): Promise<Parts> {
  const { clock, random, log, identity, directory, metrics, signal } = made;
  const { dataDir, roles } = config;
  const stages = new Set(made.stages);
  const tls = await openTlsKeys({ clock, log, dataDir, id: identity.id });
  const domainKeys =
    config.delivery && (await openDomainKeys({ clock, log, dataDir, domain: config.delivery.domain }));
  const submission = await openSubmission(config, { tls: tls.current(), clock, log, random });
  const network = await learnNetwork({ dataDir, directory, clock, random, log, signal });
  const unitBytes = network.geometry.packetBytes;
  const spool = opened.use(await openSpool(config, { clock, random, log, unitBytes, nodeId: identity.id }));
  const resolver = made.resolver ?? (await openResolver(config.dns, clock));
  const policies = config.delivery && resolver && (await openPolicies({ clock, log, dataDir }));
  const lookUps = createLookUps(config, { clock, random, resolver, policies });
  opened.defer(() => lookUps.close());
  const topology = createTopology(clock);
  const forked = createBell();
  const meet = createMeet({ directory, topology, log, onFork: forked.ring });
  const sender = opened.use(made.sender ?? createSender(config.smtp.ehlo, connectionsPerPeer, meet));
  const epochs = await openEpochs({
    clock,
    random,
    log,
    dataDir,
    network,
    spool,
    nodeId: identity.nodeId,
    mix: roles.includes('mix'),
    newest: directory.newest(),
    peels: stages.has('peel'),
  });
  return {
    config,
    stages,
    clock,
    random,
    log,
    tls,
    network,
    spool,
    sender,
    epochs,
    domainKeys,
    newestKey:
      domainKeys && createNewestKey({ clock, log, spool, keys: domainKeys, unwraps: stages.has('unwrap') }),
    resolver,
    lookUps,
    policies,
    submission,
    counters: createCounters(metrics),
    topology,
    forked,
    load: createLoad(clock, network.epochSeconds, stages.size === stagesOf(config).length),
    lifetime: createLifetime(clock, drainMs),
  };
}

function directoryClient(
  config: NodeConfig,
  { clock, log, random }: NodeDeps,
  signal: AbortSignal,
): DirectoryClient {
  const cacheDir = join(config.dataDir, 'consensus');
  return createDirectoryClient({ ...config.directory, cacheDir, clock, log, random, signal });
}
