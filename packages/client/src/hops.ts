import { DirectoryError, type VerifiedConsensus } from '@postern/directory/client';
import type { Consensus, NodeEntry } from '@postern/protocol/consensus';
import { isOpenToOrdinaryMail } from '@postern/protocol/route';
import type { Clock, Random } from '@postern/runtime';
import type { Account } from './account/account.ts';
import { domainOf } from './compose/gateway.ts';
import { ClientError } from './errors.ts';
import type { Next, OutboxPacket, ReadyCarriage } from './outbox/index.ts';
import { carriageOf } from './submit/carriage.ts';
import type { Hop, NoHop } from './submit/hop.ts';

export interface HopDeps {
  /** At the author's own gateway, if there is one. */
  readonly account: Account | undefined;
  /** The configured mailbox. */
  readonly mailbox: string;
  current(): Promise<VerifiedConsensus>;
  /** Those taken before it that packets may have been built with; the newest first. */
  recent(): Promise<readonly Consensus[]>;
}

/** Where something is handed over now: to the server of `[submission]`, or without one a packet to its first mix. */
export async function hopTo(
  next: Next,
  { account, mailbox, current, recent }: HopDeps,
): Promise<Hop | NoHop> {
  const byGateway = async (domain: string): Promise<Hop | NoHop> =>
    account === undefined
      ? { kind: 'no-gateway' }
      : {
          kind: 'hop',
          domain,
          server: account.server,
          peer: await account.peer(),
          author: mailbox,
          ...(account.kind === 'account' ? { account: true } : {}),
        };
  if (next.kind === 'domain') return byGateway(next.domain);
  const verified = await current().catch(noConsensus);
  if (verified === undefined) return { kind: 'no-consensus' };
  const node = mixIn(verified.consensus, next.id) ?? firstOf(await recent(), next.id);
  if (node === undefined) return { kind: 'unknown' };
  const { name, smtp, tlsPins } = node;
  if (account?.kind === 'account' && !isOpenToOrdinaryMail(node))
    return { kind: 'not-by-account', server: name };
  if (account !== undefined) return byGateway(name);
  return { kind: 'hop', domain: name, server: name, peer: { ...smtp, tls: { kind: 'pin', pins: tlsPins } } };
}

function firstOf(consensuses: readonly Consensus[], id: string): NodeEntry | undefined {
  return consensuses.flatMap((consensus) => mixIn(consensus, id) ?? [])[0];
}

function mixIn({ nodes }: Consensus, id: string): NodeEntry | undefined {
  return nodes.find((node) => node.id === id && node.layer > 0);
}

/** A carriage for whoever hands it over to the author's own gateway by another program. */
export async function readyCarriage(
  packet: OutboxPacket,
  { mailbox, clock, random, current }: Omit<HopDeps, 'account' | 'recent'> & { clock: Clock; random: Random },
): Promise<ReadyCarriage> {
  const domain = packet.next.kind === 'domain' ? packet.next.domain : await nameOf(packet.next.id, current);
  const message = carriageOf(
    packet,
    { domain, author: mailbox },
    {
      fromDomain: domainOf(mailbox),
      now: new Date(clock.now()),
      random: (length) => random.bytes(length),
    },
  );
  return { message, from: mailbox, to: `secure@${domain}` };
}

/** Of a node that the packet was just built for. */
async function nameOf(id: string, current: HopDeps['current']): Promise<string> {
  const { consensus } = await current();
  const node = consensus.nodes.find((each) => each.id === id);
  if (node === undefined)
    throw new ClientError('interrupted', 'the consensus changed meanwhile', {
      hint: 'Try again; nothing was written.',
    });
  return node.name;
}

/** Without a consensus packets wait; anything else that goes wrong is a fault. */
function noConsensus(error: unknown): undefined {
  if (error instanceof DirectoryError) return undefined;
  throw error;
}
