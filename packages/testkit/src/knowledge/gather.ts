import { dirname } from 'node:path';
import type { TestNetwork } from '../network/test-network.ts';
import type { Person } from '../people/person.ts';
import { gatewayName } from '../testnet/options.ts';
import type { Testnet } from '../testnet/testnet.ts';
import type { Cast } from './cast.ts';
import { createEvidence, type Evidence } from './evidence.ts';
import type { Snapshots } from './snapshots.ts';

/** A network's folders, each with its owner: nodes with their Maildirs, the authority, the author's and the recipient's homes. */
export function foldersOf(
  nodes: readonly { readonly name: string; readonly folder: string }[],
  people: readonly Person[],
): { owner: string; folder: string }[] {
  return [
    ...nodes.map(({ name, folder }) => ({ owner: name, folder })),
    ...people.map(({ domain, maildir }) => ({ owner: gatewayName(domain), folder: dirname(maildir) })),
    ...people.map(({ mailbox, home }) => ({ owner: mailbox, folder: home })),
  ];
}

/** Takes a picture of every folder. */
export async function takeAll(
  snapshots: Snapshots,
  folders: readonly { readonly owner: string; readonly folder: string }[],
): Promise<void> {
  for (const { owner, folder } of folders) await snapshots.take(owner, folder);
}

/** Everything that anybody of a testnet has or had: tapped wires, metrics, and what the snapshots show. */
export async function gatherFromTestnet(net: Testnet, cast: Cast, snapshots: Snapshots): Promise<Evidence> {
  await takeAll(snapshots, foldersOf(net.members, net.people));
  const evidence = fromSnapshots(snapshots, cast);
  for (const { name, role, tap, metrics } of net.members) {
    const whose = { party: cast.nodeParty(name), owner: name };
    evidence.add({ ...whose, how: 'metrics', where: 'control socket', bytes: Buffer.from(await metrics()) });
    for (const connection of tap?.connections ?? []) {
      if (role === 'authority') evidence.addDirectoryConnection(connection);
      else evidence.addConnection(connection, cast);
    }
  }
  return evidence;
}

/** The same of a network in one process, and every message inside TLS. */
export async function gatherFromNetwork(
  net: TestNetwork,
  cast: Cast,
  snapshots: Snapshots,
): Promise<Evidence> {
  await takeAll(snapshots, networkFolders(net));
  const evidence = fromSnapshots(snapshots, cast);
  for (const { name, log, metrics, tap } of net.nodes) {
    const whose = { party: cast.nodeParty(name), owner: name };
    evidence.add({ ...whose, how: 'log', where: 'log', bytes: Buffer.from(log()) });
    evidence.add({ ...whose, how: 'metrics', where: 'control socket', bytes: Buffer.from(await metrics()) });
    for (const connection of tap.connections) evidence.addConnection(connection, cast);
  }
  const authority = { party: 'authority', owner: net.authorityTap.name } as const;
  evidence.add({ ...authority, how: 'log', where: 'log', bytes: Buffer.from(net.authorityLog()) });
  const told = `${net.authority.metrics()}${JSON.stringify(net.authority.status())}`;
  evidence.add({ ...authority, how: 'metrics', where: 'metrics and status', bytes: Buffer.from(told) });
  for (const connection of net.authorityTap.connections) evidence.addDirectoryConnection(connection);
  for (const sending of net.recorder.sendings) {
    const taker = net.nodes.find(({ tap }) => tap.address.port === sending.peer.port);
    if (taker !== undefined) evidence.addSending(sending, taker.name, cast);
  }
  return evidence;
}

/** Where a network in one process keeps things. */
export function networkFolders(net: TestNetwork): { owner: string; folder: string }[] {
  const authority = { name: net.authorityTap.name, folder: net.authorityFolder };
  return foldersOf([...net.nodes, authority], net.people);
}

function fromSnapshots({ taken }: Snapshots, cast: Cast): Evidence {
  const evidence = createEvidence();
  for (const piece of taken) {
    if (piece.owner === cast.author.mailbox) evidence.add({ party: 'author', ...piece });
    else if (piece.owner === cast.recipient.mailbox) evidence.add({ party: 'recipient', ...piece });
    // What other people know of each other is theirs.
    else if (!piece.owner.includes('@')) evidence.add({ party: cast.nodeParty(piece.owner), ...piece });
  }
  return evidence;
}
