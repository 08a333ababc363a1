import type { SmtpSender } from '@postern/mail';
import type { Clock, Log, Random } from '@postern/runtime';
import type { DeliveryConfig, NodeConfig } from './config.ts';
import type { Counters } from './counters.ts';
import { lmtp } from './deliver/lmtp.ts';
import { maildirs } from './deliver/maildir.ts';
import type { Epochs } from './epochs.ts';
import type { TlsCertificate } from './keys/certificate.ts';
import type { Lifetime } from './lifetime.ts';
import { mailboxFinder } from './mailboxes.ts';
import type { Network } from './network.ts';
import type { PipelineContext } from './pipeline.ts';
import type { Spool } from './spool.ts';
import type { SubmissionParts } from './submission.ts';
import type { SubmissionConfig } from './submission-config.ts';
import type { Topology } from './topology.ts';

/** What a node is made of, before its stages. */
export interface Parts {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly tls: TlsCertificate;
  readonly network: Network;
  readonly spool: Spool;
  readonly sender: SmtpSender;
  readonly counters: Counters;
  readonly topology: Topology;
  readonly lifetime: Lifetime;
  readonly epochs: Epochs;
  /** OpenPGP secret keys of the domain that the node is the gateway of; none when it is none. */
  readonly domainKeys: readonly Uint8Array[];
  /** None without the role. */
  readonly submission: SubmissionParts | undefined;
}

export const connectionsPerPeer = 4;

/** Hands each stage what it needs, for the roles that the node has. */
export function contextOf(parts: Parts): PipelineContext {
  const { config, submission } = parts;
  return {
    receive: receiveContext(parts),
    out: outContext(parts),
    ...(config.roles.includes('mix') ? { mix: mixContext(parts) } : {}),
    ...(config.delivery === undefined ? {} : { delivery: deliveryContext(parts, config.delivery) }),
    ...(submission === undefined ? {} : { submit: submitContext(parts, submission) }),
  };
}

function receiveContext({ config, log, counters, tls, network }: Parts): PipelineContext['receive'] {
  const { name, smtp, delivery } = config;
  return {
    log,
    counters,
    tls,
    packetBytes: network.geometry.packetBytes,
    listen: smtp.listen,
    ehlo: smtp.ehlo,
    domains: delivery === undefined ? [name] : [name, delivery.domain],
  };
}

function outContext(parts: Parts): PipelineContext['out'] {
  const { clock, random, log, spool, sender, counters, topology, lifetime, config } = parts;
  const common = { clock, random, log, spool, counters, lifetime };
  return { ...common, sender, topology, connectionsPerPeer, name: config.name };
}

function mixContext(parts: Parts): NonNullable<PipelineContext['mix']> {
  const { clock, log, spool, counters, config, epochs } = parts;
  return { clock, log, spool, counters, ...config.mix, keys: epochs };
}

function deliveryContext(parts: Parts, delivery: DeliveryConfig): NonNullable<PipelineContext['delivery']> {
  const { clock, random, log, spool, counters, lifetime, config, network, domainKeys } = parts;
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
    setup: { geometry: network.geometry, secretKeys: domainKeys },
    findMailbox: mailboxFinder(delivery),
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
