import type { SmtpSender } from '@postern/mail';
import type { Clock, Log, Random } from '@postern/runtime';
import type { Resolver } from '@postern/runtime/dns';
import type { Bell } from './bell.ts';
import type { DeliveryConfig, NodeConfig } from './config.ts';
import type { Counters } from './counters.ts';
import { lmtp } from './deliver/lmtp.ts';
import { maildirs } from './deliver/maildir.ts';
import type { DomainKeys } from './domain.ts';
import type { Epochs } from './epochs.ts';
import type { Lifetime } from './lifetime.ts';
import type { Load } from './load.ts';
import type { LookUps } from './lookups.ts';
import { mailboxFinder } from './mailboxes.ts';
import { toldBy } from './meet.ts';
import { createAttest } from './names.ts';
import type { Network } from './network.ts';
import { isIn } from './networks.ts';
import type { NewestKey } from './newest-key.ts';
import type { PipelineContext } from './pipeline.ts';
import type { KeptPolicies } from './policy-store.ts';
import { createReturnFields } from './report/field.ts';
import { createTakeForeign } from './report/foreign.ts';
import { type ComposeLetter, createLetters } from './report/letter.ts';
import { createReportQueue, type ReportQueue } from './report/queue.ts';
import { createReporter, type ReportContext } from './report/report.ts';
import { createAdmit } from './senders.ts';
import type { Spool } from './spool.ts';
import type { StageName } from './stages.ts';
import type { SubmissionParts } from './submission.ts';
import type { SubmissionConfig } from './submission-config.ts';
import type { TlsKeys } from './tls.ts';
import type { Topology } from './topology.ts';
import { createWays } from './ways.ts';

/** What a node is made of, before its stages. */
export interface Parts {
  readonly config: NodeConfig;
  /** What this process runs of the node. */
  readonly stages: ReadonlySet<StageName>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly tls: TlsKeys;
  readonly network: Network;
  readonly spool: Spool;
  readonly sender: SmtpSender;
  readonly counters: Counters;
  readonly topology: Topology;
  /** Rings when authorities were shown to have signed two documents. */
  readonly forked: Bell;
  readonly lifetime: Lifetime;
  readonly epochs: Epochs;
  /** What the descriptor says of the packets that come. */
  readonly load: Load;
  /** None for a node that is no domain's gateway. */
  readonly domainKeys: DomainKeys | undefined;
  readonly newestKey: NewestKey | undefined;
  /** None for a node without a resolver. */
  readonly resolver: Resolver | undefined;
  readonly lookUps: LookUps;
  /** What a gateway keeps on disk of what it looks up; none for a node that is no gateway. */
  readonly policies: KeptPolicies | undefined;
  /** None without the role. */
  readonly submission: SubmissionParts | undefined;
}

export const connectionsPerPeer = 4;

/** Hands each stage that this process runs what it needs. */
export function contextOf(parts: Parts, reports: ReportQueue): PipelineContext {
  const { config, stages, spool, submission, domainKeys, newestKey } = parts;
  const { roles, delivery } = config;
  return {
    spool,
    kinds: [...(roles.includes('mix') ? ['packet' as const] : []), ...(delivery ? ['exit' as const] : [])],
    ...(stages.has('receive') && { receive: receiveContext(parts) }),
    ...(stages.has('submit') && submission && { submit: submitContext(parts, submission) }),
    ...(stages.has('peel') && { peel: peelContext(parts) }),
    ...(stages.has('unwrap') &&
      delivery &&
      domainKeys &&
      newestKey && { unwrap: unwrapContext(parts, reports, delivery, domainKeys, newestKey) }),
    ...(stages.has('forward') && { forward: forwardContext(parts) }),
  };
}

function receiveContext(parts: Parts): NonNullable<PipelineContext['receive']> {
  const { config, clock, log, spool, counters, tls, network, lookUps, topology } = parts;
  const { name, smtp, delivery } = config;
  const gateway = delivery && {
    attest: createAttest(lookUps.names, clock),
    admit: createAdmit(delivery.senders, clock),
    takeForeign: createTakeForeign({ spool, counters, composeLetter: lettersOf(parts, delivery) }),
  };
  return {
    ...(gateway === undefined ? {} : { gateway }),
    log,
    counters,
    tls: tls.current(),
    packetBytes: network.geometry.packetBytes,
    listen: smtp.listen,
    ehlo: smtp.ehlo,
    domains: delivery === undefined ? [name] : [name, delivery.domain],
    isBehind: isIn(smtp.behind),
    offers: () => toldBy(topology),
  };
}

function forwardContext(parts: Parts): NonNullable<PipelineContext['forward']> {
  const { clock, random, log, spool, sender, counters, topology, lifetime, config } = parts;
  const { lookUps, submission } = parts;
  const { exits, exchangers } = lookUps;
  const smarthost = config.submission?.smarthost;
  const ways = createWays({
    topology,
    ...(smarthost === undefined ? {} : { smarthost }),
    ...(exchangers === undefined ? {} : { exchangers }),
    ...(exits === undefined ? {} : { exits }),
  });
  const { name, delivery } = config;
  const common = { clock, random, log, spool, counters, lifetime, sender, ways, connectionsPerPeer, name };
  if (delivery === undefined) return common;
  const own = {
    domain: delivery.domain,
    mixes: config.roles.includes('mix'),
    ...(submission && { signer: submission.dkim.signer }),
  };
  const { expiryMs, warnAfterMs } = config.submission ?? { expiryMs: 0, warnAfterMs: 0 };
  const authors = { composeLetter: lettersOf(parts, delivery), lateMs: expiryMs - warnAfterMs };
  return { ...common, own, authors };
}

function lettersOf({ clock, random }: Parts, { domain }: DeliveryConfig): ComposeLetter {
  return createLetters({ clock, random, domain });
}

/** Tells authors whom the gateway does not know. */
export function reportsOf(parts: Parts): ReportQueue {
  const { clock, random, log } = parts;
  return createReportQueue({ clock, random, log, report: createReporter(reportContext(parts)) });
}

export function reportContext({ clock, random, network, config, lookUps }: Parts): ReportContext {
  return {
    clock,
    random,
    ...network,
    expiryMs: config.mix.expiryMs,
    findDomain: lookUps.names?.findDomain ?? (async () => ({ kind: 'none' })),
  };
}

function peelContext(parts: Parts): NonNullable<PipelineContext['peel']> {
  const { clock, random, log, spool, counters, lifetime, config, epochs, load } = parts;
  return { clock, random, log, spool, counters, lifetime, ...config.mix, keys: epochs, onOpened: load.count };
}

function unwrapContext(
  parts: Parts,
  reports: ReportQueue,
  delivery: DeliveryConfig,
  domainKeys: DomainKeys,
  newestKey: NewestKey,
): NonNullable<PipelineContext['unwrap']> {
  const { clock, random, log, spool, counters, lifetime, config, network } = parts;
  const { domain, to } = delivery;
  return {
    clock,
    random,
    log,
    spool,
    counters,
    lifetime,
    domain,
    unwrapWorkers: config.mix.peelWorkers,
    geometry: network.geometry,
    keys: domainKeys,
    hasNewestKey: newestKey.isHere,
    findMailbox: mailboxFinder(delivery),
    composeLetter: lettersOf(parts, delivery),
    returnField: createReturnFields({ clock, random, geometry: network.geometry, keys: domainKeys }),
    complaintLifeMs: config.submission?.tokenLifeMs ?? 0,
    reports,
    mailSystem: to.kind === 'maildir' ? maildirs(to) : lmtp({ to, ehlo: config.smtp.ehlo, domain, lifetime }),
  };
}

function submitContext(
  parts: Parts,
  { authors, tls }: SubmissionParts,
): NonNullable<PipelineContext['submit']> {
  const { clock, log, spool, counters, topology, network, config } = parts;
  const { listen, listenTls, expiryMs, tokenLifeMs, limits } = config.submission as SubmissionConfig;
  const { suite, packetBytes } = network.geometry;
  return {
    clock,
    log,
    spool,
    counters,
    topology,
    authors,
    tls,
    listen,
    listenTls,
    expiryMs,
    tokenLifeMs,
    limits,
    suite,
    packetBytes,
    epochSeconds: network.epochSeconds,
    domain: (config.delivery as DeliveryConfig).domain,
    ehlo: config.smtp.ehlo,
  };
}
