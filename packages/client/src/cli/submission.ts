import { ExitCode } from '@postern/runtime';
import type { SubmissionConfig } from '../account/settings.ts';
import type { HoldReason, Stay, Submission, WaitReason } from '../submit/submit.ts';
import { type Context, warn } from './context.ts';
import { countUnits } from './table.ts';
import { write } from './terminal.ts';

/** Says what stays in the outbox and why, and returns the exit code that this comes to. `server`: that of `[submission]`. */
export async function explainPending(
  context: Context,
  { waiting, held, pending }: Submission,
  server: SubmissionConfig | undefined,
): Promise<number> {
  for (const { reason, node, packets, envelopes } of waiting) {
    const where = node === '' ? '' : ` at ${placeOf(node, server)}`;
    const what = countUnits(packets, envelopes);
    await warn(context, `${what} could not be handed over${where}: ${waits[reason]}`);
  }
  for (const { reason, node, packets, envelopes } of held) {
    const why = holds[reason].replace('%', placeOf(node, server));
    await warn(context, `${countUnits(packets, envelopes)} kept: ${why}`);
  }
  if (server !== undefined && [...waiting, ...held].some((stay) => isPerhapsOtherTls(stay, server)))
    await write(context.terminal.stderr, `  ${tlsHint(server)}\n`);
  if (pending === 0) return ExitCode.ok;
  await warn(context, 'what is left stays in the outbox; postern flush goes on with it');
  return held.length > 0 ? ExitCode.unavailable : ExitCode.tempFail;
}

/** A server as a person knows it. */
function placeOf(node: string, server: SubmissionConfig | undefined): string {
  if (node !== server?.host) return node;
  return `${node} (${server.kind === 'gateway' ? 'your gateway' : 'your provider'})`;
}

/** Whom everything is handed over to, when that is one server. */
export function toServer(server: SubmissionConfig | undefined): string {
  return server === undefined ? '' : ` to ${placeOf(server.host, server)}`;
}

/** Why nothing moves just now, in few words. */
export function whyWaiting(
  waiting: readonly Stay<WaitReason>[],
  server: SubmissionConfig | undefined,
): string {
  if (waiting.length > 1 && server === undefined) return 'some first mixes do not take packets now';
  return waiting
    .map(({ reason, node }) => (node === '' ? waits[reason] : `${placeOf(node, server)}: ${waits[reason]}`))
    .join('; ');
}

/** What a server of the other kind of TLS looks like. */
const otherTls: ReadonlySet<WaitReason | HoldReason> = new Set(['lost', 'timeout', 'protocol', 'no-tls']);

function isPerhapsOtherTls(
  { reason, node }: Stay<WaitReason | HoldReason>,
  { host }: SubmissionConfig,
): boolean {
  return node === host && otherTls.has(reason);
}

function tlsHint({ port, implicitTls }: SubmissionConfig): string {
  const way = implicitTls ? 'implicit' : 'starttls';
  return `Is tls = "${way}" in [submission] right for port ${port}? Port 465 speaks TLS from the first octet ("implicit"), 587 after STARTTLS ("starttls").`;
}

const waits = {
  unreachable: 'nothing answers there',
  timeout: 'it took too long',
  lost: 'the connection broke',
  busy: 'it takes none at the moment',
  protocol: 'what answers is no mail server',
  declined: 'it goes by another consensus than is here, or there are two',
  aborted: 'the command was ended',
  crowded: 'the command was ended',
  closed: 'the command was ended',
  'no-consensus': 'there is no valid consensus to look the first mix up in',
  unreadable: 'their files in the outbox cannot be read now',
  'not-tried': 'the time was over',
} as const;

const holds = {
  expired:
    'too old, they would be of no use where they go, since mixes destroy their keys and messages expire; send the message again, and discard these with postern outbox --discard',
  'no-such-node':
    'their first mix has left the consensus; wait for it to come back, or send again and discard these with postern outbox --discard',
  'no-gateway':
    'they go direct, through a gateway of your own domain, and none is configured any more; set [submission], or discard them with postern outbox --discard',
  untrusted:
    '% does not prove that it is the server of your configuration, so nothing was given to it, and no password; ask its operator for its name or the pin of its key',
  'no-login': '% does not take your user name and password; correct [submission], then postern flush',
  'no-requiretls':
    '% cannot promise TLS all the way to the recipient’s domain (it offers no REQUIRETLS), so nothing was given to it; send again through mixes, or with --tls prefer where the domain allows it too, and discard these with postern outbox --discard',
  'not-by-account':
    'ordinary mail does not find %, their first mix, and an account sends no other; hand them over without [submission], or send again and discard these with postern outbox --discard',
  refused: '% refuses them; its operator may know why',
  'wrong-pin':
    '% shows ANOTHER TLS KEY than the consensus says, so nothing was given to it; if a later flush says so again, tell its operator',
  'no-tls':
    '% offers no TLS that is good enough, so nothing was given to it; if a later flush says so again, tell its operator',
  damaged:
    'the file in the outbox holds no packet; send the message again, and discard this with postern outbox --discard',
} as const;
