import { type Endpoint, type Fault, tellFault } from '@postern/runtime';
import type { NodeRole } from './config.ts';
import type { CounterStage } from './counters.ts';
import type { DkimKeyStatus } from './dkim.ts';
import type { DomainOverlap } from './domain.ts';
import type { UnusedKeys } from './epochs.ts';
import { NodeError } from './errors.ts';
import type { Proof } from './proof.ts';
import type { Publication } from './publication.ts';
import type { Undrawn } from './register/draw.ts';
import type { Trouble } from './register/follow.ts';
import type { Untaken } from './register/untaken.ts';
import type { Counts, Spool } from './spool.ts';
import type { StageName } from './stages.ts';
import type { Standing } from './standing.ts';
import type { SubmissionAddress } from './submit/submit.ts';
import type { TlsKeyStatus } from './tls.ts';
import type { Topology } from './topology.ts';

/** What an operator may see of a running node. Nothing in it names a peer, a person or a message. */
export interface NodeStatus {
  readonly name: string;
  readonly id: string;
  readonly roles: readonly NodeRole[];
  /** What this process runs of the node. */
  readonly stages: readonly StageName[];
  /** Null where other processes take mail. */
  readonly smtp: Endpoint | null;
  /** Where authors submit; none without the role. */
  readonly submissions: readonly SubmissionAddress[];
  /** The epoch of the node's clock. */
  readonly epoch: number;
  /** Why mix keys lie in its data directory that it does not use; null while none do. */
  readonly unusedMixKeys: UnusedKeys | null;
  /** The consensus in use; none while there is none that holds: then nothing is sent. */
  readonly consensus: {
    readonly epoch: number;
    readonly validUntil: string;
    readonly listed: boolean;
    /** Whether a directory has proven that it was counted, where it is not listed: other mixes were drawn. */
    readonly counted: boolean;
  } | null;
  /** Why there is none; null while there is one, and until that is known. */
  readonly consensusTrouble: { readonly code: string; readonly why: string; readonly since: string } | null;
  /** Why it can make no descriptor, so that directories hear nothing of it; null while it can. */
  readonly descriptorTrouble: (Pick<Undrawn, 'why' | 'hint'> & { readonly since: string }) | null;
  /** Directories that have not taken its newest descriptor. */
  readonly untakenBy: readonly (Pick<Untaken, 'url' | 'why'> & { readonly since: string })[];
  /** Of the node's own certificate: the next one if there is one, the one that is shown, those before. */
  readonly tlsKeys: readonly TlsKeyStatus[];
  /** Of what it signs for other domains; none without the role "submission". */
  readonly dkimKeys: readonly DkimKeyStatus[];
  /** What its resolver is worth: only what is `proven` counts. */
  readonly dns: Proof | 'unasked';
  /** Whether it hands exits to domains that DNS alone names. */
  readonly exitByDns: boolean;
  /** Fingerprints of the domain's keys, the one that its zone has to name first; none for a node that is no gateway. */
  readonly domainKeys: readonly string[];
  /** Why keys of the domain before the first are kept still; null while there is none. */
  readonly domainKeyOverlap: DomainOverlap | null;
  /** What lies in the spool. */
  readonly counts: Counts;
  /** Outcomes since the start, by stage. */
  readonly counters: Readonly<Record<CounterStage, Readonly<Record<string, number>>>>;
}

/** The same over the control socket, which tells the rest while the spool does not answer. */
export interface ToldStatus extends Omit<NodeStatus, 'counts'> {
  /** Null while it does not. */
  readonly counts: Counts | null;
  /** Why it does not; null while it does. */
  readonly fault: Fault | null;
}

export function consensusStatus(topology: Topology, standing: Standing): NodeStatus['consensus'] {
  const consensus = topology.valid()?.consensus;
  if (consensus === undefined) return null;
  const validUntil = new Date(consensus.validUntil * 1_000).toISOString();
  const [listed, counted] = [standing === 'listed', standing === 'counted'];
  return { epoch: consensus.epoch, validUntil, listed, counted };
}

export function troubleStatus(trouble: Trouble | undefined): NodeStatus['consensusTrouble'] {
  if (trouble === undefined) return null;
  const { code, why, sinceMs } = trouble;
  return { code, why, since: new Date(sinceMs).toISOString() };
}

export function undrawnStatus(undrawn: Undrawn | undefined): NodeStatus['descriptorTrouble'] {
  if (undrawn === undefined) return null;
  const { sinceMs, ...told } = undrawn;
  return { ...told, since: new Date(sinceMs).toISOString() };
}

export function untakenStatus(untaken: readonly Untaken[]): NodeStatus['untakenBy'] {
  return untaken.map(({ url, why, sinceMs }) => ({ url, why, since: new Date(sinceMs).toISOString() }));
}

/** Why a node that runs gets no mail or hands none on; nothing when it is ready. */
export function unreadiness({ consensus }: Pick<NodeStatus, 'consensus'>): string | undefined {
  if (consensus === null) return 'there is no consensus that holds: nothing is sent';
  return consensus.listed || consensus.counted ? undefined : 'the consensus does not list it';
}

/** For people: what is there, and every outcome that has occurred. */
export function formatStatus(status: ToldStatus): string {
  const { name, id, roles, stages, smtp, submissions, epoch, consensus, counts, counters } = status;
  const network =
    consensus === null
      ? `no consensus that holds: nothing is sent${troubleLine(status)}`
      : `epoch ${consensus.epoch}, valid until ${consensus.validUntil}, ${standingIn(consensus)}`;
  const outcomes = Object.entries(counters).map(([stage, values]) => {
    const seen = Object.entries(values).filter(([, count]) => count > 0);
    const shown = seen.map(([outcome, count]) => `${outcome} ${count}`).join(', ');
    return `${stage.padEnd(11)} ${shown === '' ? 'nothing' : shown}\n`;
  });
  const listeners = submissions.map(({ host, port, tls }) => `${host}:${port} (${ways[tls]})`);
  const submission = listeners.length === 0 ? '' : `submission  ${listeners.join(', ')}\n`;
  const at = smtp === null ? '' : ` at ${smtp.host}:${smtp.port}`;
  return `${name} (${roles.join(', ')})${at}
stages      ${stages.join(', ')}
${submission}id          ${id}
epoch       ${epoch}
${status.unusedMixKeys === null ? '' : `mix keys    ${unusedKeys[status.unusedMixKeys]}\n`}consensus   ${network}
${undrawnLine(status)}${status.untakenBy.map(untakenLine).join('')}dns         ${resolvers[status.dns]}${exitLine(status)}
${status.tlsKeys.map(tlsLine).join('')}${status.dkimKeys.map(dkimLine).join('')}${domainLines(status)}spool       ${counts === null ? 'does not answer' : spoolLine(counts)}
${outcomes.join('')}`;
}

function standingIn({ listed, counted }: NonNullable<NodeStatus['consensus']>): string {
  if (listed) return 'lists this node';
  return counted ? 'counts this node, which was not drawn' : 'does not list this node';
}

function spoolLine({ inputs, relays, fragments, deliveries }: Counts): string {
  return `inputs ${inputs}, relays ${relays}, fragments ${fragments}, deliveries ${deliveries}`;
}

/** What lies in a spool, or why it does not say so. */
export async function spoolStatus(
  spool: Pick<Spool, 'counts'>,
): Promise<Pick<ToldStatus, 'counts' | 'fault'>> {
  try {
    return { counts: await spool.counts(), fault: null };
  } catch (error) {
    if (error instanceof NodeError) return { counts: null, fault: tellFault(error) };
    throw error;
  }
}

function troubleLine({ consensusTrouble: trouble }: ToldStatus): string {
  return trouble === null ? '' : `\n            since ${trouble.since}: ${trouble.code}: ${trouble.why}`;
}

function undrawnLine({ descriptorTrouble: trouble }: ToldStatus): string {
  if (trouble === null) return '';
  const { why, hint, since } = trouble;
  const mend = hint === undefined ? '' : `            ${hint}\n`;
  return `descriptor  none can be made, since ${since}: ${why}\n${mend}`;
}

function untakenLine({ url, why, since }: NodeStatus['untakenBy'][number]): string {
  const said = why === 'unreached' ? 'has not been reached' : `refuses this node: ${why}`;
  return `directory   ${url} ${said}, since ${since}\n`;
}

function exitLine({ roles, exitByDns }: ToldStatus): string {
  if (exitByDns) return '; exits go by it';
  return roles.includes('mix') ? '; exits for domains that the consensus does not name go nowhere' : '';
}

function tlsLine({ phase, pin, until = '' }: TlsKeyStatus): string {
  const when = { next: `, shown from ${until} on at the earliest`, shown: '', before: `, until ${until}` };
  return `${`tls ${phase}`.padEnd(10)}  ${pin}${when[phase]}\n`;
}

function dkimLine({ phase, selector, until = '', publication }: DkimKeyStatus): string {
  const when = { next: `, signs from ${until} on at the earliest`, signs: '', before: `, until ${until}` };
  const waits = publication === undefined ? when[phase] : dkimWaits[publication];
  return `${`dkim ${phase}`.padEnd(10)}  ${selector}${waits}\n`;
}

const dkimWaits: Readonly<Record<Publication, string>> = {
  published: ', signs now',
  missing: ', signs once DNS has it: publish what postern-node dns zone prints',
  unknown: ', signs once DNS has it; DNS gives no answer now',
};

function domainLines({ domainKeys, domainKeyOverlap: overlap }: ToldStatus): string {
  const lines = domainKeys.map(
    (fingerprint, at) => `${at === 0 ? 'domain key' : '  before'.padEnd(10)}  ${fingerprint}\n`,
  );
  if (overlap !== null) lines.push(`${'  kept'.padEnd(10)}  ${keptUntil(overlap)}\n`);
  return lines.join('');
}

function keptUntil({ publication, until }: DomainOverlap): string {
  if (publication === 'missing')
    return 'DNS does not name the first: publish what postern-node dns zone prints';
  const end = until === undefined ? 'until DNS has named the first for 60 days' : `until ${until}`;
  return publication === 'published'
    ? `${end}, while DNS names the first`
    : `${end}; DNS gives no answer now`;
}

const unusedKeys: Readonly<Record<UnusedKeys, string>> = {
  'others-peel': 'lie here, and others peel: stop this process and run postern-node mix-keys destroy',
  'no-mix': 'of when it was a mix: each is destroyed once its epoch is over',
};

const resolvers: Readonly<Record<NodeStatus['dns'], string>> = {
  proven: 'answers are proven',
  unproven: 'the resolver does not validate DNSSEC: domains that DNS alone names get nothing',
  unanswered: 'the resolver gives no answer',
  unknown: 'not asked yet',
  unasked: 'nobody is asked',
};

const ways: Readonly<Record<SubmissionAddress['tls'], string>> = { starttls: 'STARTTLS', implicit: 'TLS' };
