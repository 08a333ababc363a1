import type { NodeRole } from './config.ts';
import type { CounterStage } from './counters.ts';
import type { Proof } from './proof.ts';
import type { Counts } from './spool.ts';
import type { SubmissionAddress } from './submit/submit.ts';
import type { TlsKeyStatus } from './tls.ts';

/** What an operator may see of a running node. Nothing in it names a peer, a person or a message. */
export interface NodeStatus {
  readonly name: string;
  readonly id: string;
  readonly roles: readonly NodeRole[];
  readonly smtp: { readonly host: string; readonly port: number };
  /** Where authors submit; none without the role. */
  readonly submissions: readonly SubmissionAddress[];
  /** The epoch of the node's clock. */
  readonly epoch: number;
  /** The consensus in use; none while there is none that holds: then nothing is sent. */
  readonly consensus: {
    readonly epoch: number;
    readonly validUntil: string;
    readonly listed: boolean;
  } | null;
  /** Of the node's own certificate: the next one if there is one, the one that is shown, those before. */
  readonly tlsKeys: readonly TlsKeyStatus[];
  /** What its resolver is worth: only what is `proven` counts. */
  readonly dns: Proof | 'unasked';
  /** Whether it hands exits to domains that DNS alone names. */
  readonly exitByDns: boolean;
  /** Fingerprints of the domain's keys, the one that its zone has to name first; none for a node that is no gateway. */
  readonly domainKeys: readonly string[];
  /** What lies in the spool. */
  readonly counts: Counts;
  /** Outcomes since the start, by stage. */
  readonly counters: Readonly<Record<CounterStage, Readonly<Record<string, number>>>>;
}

/** For people: what is there, and every outcome that has occurred. */
export function formatStatus(status: NodeStatus): string {
  const { name, id, roles, smtp, submissions, epoch, consensus, counts, counters } = status;
  const network =
    consensus === null
      ? 'no consensus that holds: nothing is sent'
      : `epoch ${consensus.epoch}, valid until ${consensus.validUntil}, ${consensus.listed ? 'lists this node' : 'does not list this node'}`;
  const outcomes = Object.entries(counters).map(([stage, values]) => {
    const seen = Object.entries(values).filter(([, count]) => count > 0);
    const shown = seen.map(([outcome, count]) => `${outcome} ${count}`).join(', ');
    return `${stage.padEnd(11)} ${shown === '' ? 'nothing' : shown}\n`;
  });
  const listeners = submissions.map(({ host, port, tls }) => `${host}:${port} (${ways[tls]})`);
  const submission = listeners.length === 0 ? '' : `submission  ${listeners.join(', ')}\n`;
  return `${name} (${roles.join(', ')}) at ${smtp.host}:${smtp.port}
${submission}id          ${id}
epoch       ${epoch}
consensus   ${network}
dns         ${resolvers[status.dns]}${status.exitByDns ? '; exits go by it' : ''}
${status.tlsKeys.map(tlsLine).join('')}${status.domainKeys.map((fingerprint, at) => `${at === 0 ? 'domain key' : '  before'.padEnd(10)}  ${fingerprint}\n`).join('')}spool       inputs ${counts.inputs}, relays ${counts.relays}, fragments ${counts.fragments}, deliveries ${counts.deliveries}
${outcomes.join('')}`;
}

function tlsLine({ phase, pin, until = '' }: TlsKeyStatus): string {
  const when = { next: `, shown from ${until} on at the earliest`, shown: '', before: `, until ${until}` };
  return `${`tls ${phase}`.padEnd(10)}  ${pin}${when[phase]}\n`;
}
const resolvers: Readonly<Record<NodeStatus['dns'], string>> = {
  proven: 'answers are proven',
  unproven: 'the resolver does not validate DNSSEC: domains that DNS alone names get nothing',
  unanswered: 'the resolver gives no answer',
  unknown: 'not asked yet',
  unasked: 'nobody is asked',
};

const ways: Readonly<Record<SubmissionAddress['tls'], string>> = { starttls: 'STARTTLS', implicit: 'TLS' };
