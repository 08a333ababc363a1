import { ExitCode } from '@postern/runtime';
import type { Submission } from '../submit/submit.ts';
import { type Context, warn } from './context.ts';
import { count } from './table.ts';

/** Says what stays in the outbox and why, and returns the exit code that this comes to. */
export async function explainPending(
  context: Context,
  { waiting, held, pending }: Submission,
): Promise<number> {
  for (const { reason, node, packets } of waiting) {
    const where = node === '' ? '' : ` at ${node}`;
    await warn(context, `${count(packets, 'packet')} could not be handed over${where}: ${waits[reason]}`);
  }
  for (const { reason, node, packets } of held) {
    await warn(context, `${count(packets, 'packet')} kept: ${holds[reason].replace('%', node)}`);
  }
  if (pending === 0) return ExitCode.ok;
  await warn(context, 'what is left stays in the outbox; postern flush goes on with it');
  return held.length > 0 ? ExitCode.unavailable : ExitCode.tempFail;
}

const waits = {
  unreachable: 'nothing answers there',
  timeout: 'it took too long',
  lost: 'the connection broke',
  busy: 'it takes none at the moment',
  protocol: 'what answers is no mail server',
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
