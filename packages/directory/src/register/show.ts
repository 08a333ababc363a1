import { decodeConsensus, proveRegistered } from '@postern/protocol/consensus';
import type { Shown } from '../registration.ts';
import type { AuthorityStore, Issued } from '../store.ts';

/** Shows that a node was counted for a consensus (spec consensus 8.7, 10.8). */
export function showRegistered(
  id: string,
  current: Issued | undefined,
  store: Pick<AuthorityStore, 'rest'>,
): Shown {
  if (current === undefined) return { kind: 'not-kept' };
  const rest = store.rest(current.digest);
  if (rest === undefined) return { kind: isEntry(id, current) ? 'in-consensus' : 'not-kept' };
  const proven = proveRegistered(rest, id);
  if (proven === undefined) return { kind: isEntry(id, current) ? 'in-consensus' : 'not-registered' };
  const { epoch, digest: consensus } = current;
  return {
    kind: 'registered',
    proof: { epoch, consensus, id, descriptor: rest[proven.at]?.digest ?? '', ...proven },
  };
}

function isEntry(id: string, { signed }: Issued): boolean {
  return decodeConsensus(signed)?.consensus.nodes.some((node) => node.id === id) ?? false;
}
