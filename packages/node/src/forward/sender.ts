import { createSmtpSender, type SmtpSender, type SmtpSenderOptions } from '@postern/mail';
import { eachAtOnce } from './servers.ts';

/** Authors' and others', but for nodes. */
const roadsToPeer = 2;

/**
 * The sender of all roads: their packets leave over the same connections, else the next node could tell a gateway's own from those that it
 * passes on. It has a connection for each hand-over that the roads let begin, so that none waits here for another.
 *
 * @param width connections to one peer that a road takes
 */
export function createSender(
  ehloName: string,
  width: number,
  meet?: NonNullable<SmtpSenderOptions['meet']>,
): SmtpSender {
  const maxConnectionsPerPeer = roadsToPeer * Math.max(width, eachAtOnce);
  return createSmtpSender({ ehloName, maxConnectionsPerPeer, ...(meet && { meet }) });
}
