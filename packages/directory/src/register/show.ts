import { decodeConsensus, proveRegistered, type RegisteredProof } from '@postern/protocol/consensus';
import type { Shown } from '../registration.ts';
import type { AuthorityStore, Issued } from '../store.ts';

/** The nodes of one consensus: the ids of its entries, and what proves the others, unless that is not kept. */
interface Nodes {
  readonly digest: string;
  readonly entries: ReadonlySet<string>;
  prove?: (id: string) => (RegisteredProof & { readonly descriptor: string }) | undefined;
}

/** Shows that a node was counted for a consensus (spec consensus 8.7, 10.8). Anybody may ask for any id: each consensus is read once. */
export function showRegistered(
  store: Pick<AuthorityStore, 'rest'>,
): (id: string, current: Issued | undefined) => Shown {
  let last: Nodes | undefined;
  return (id, current) => {
    if (current === undefined) return { kind: 'not-kept' };
    if (last?.digest !== current.digest) last = nodesOf(current);
    // it may be kept only after the consensus has come from others
    const prove = last.prove ?? proverFor(store, current.digest);
    if (prove !== undefined) last.prove = prove;
    if (last.entries.has(id)) return { kind: 'in-consensus' };
    if (prove === undefined) return { kind: 'not-kept' };
    const proven = prove(id);
    if (proven === undefined) return { kind: 'not-registered' };
    const { epoch, digest: consensus } = current;
    return { kind: 'registered', proof: { epoch, consensus, id, ...proven } };
  };
}

function nodesOf({ digest, signed }: Issued): Nodes {
  const nodes = decodeConsensus(signed)?.consensus.nodes ?? [];
  return { digest, entries: new Set(nodes.map(({ id }) => id)) };
}

function proverFor(store: Pick<AuthorityStore, 'rest'>, digest: string): Nodes['prove'] {
  const rest = store.rest(digest);
  if (rest === undefined) return undefined;
  const prove = proveRegistered(rest);
  return (id) => {
    const proven = prove(id);
    return proven && { ...proven, descriptor: rest[proven.at]?.digest ?? '' };
  };
}
