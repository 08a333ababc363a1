import type { DirectoryClient, VerifiedConsensus } from '@postern/directory/client';
import type { Topology } from './topology.ts';

/** Where the node is in the consensus in use: an entry; counted, as a directory has proven, and not drawn; or neither, as far as is known. */
export type Standing = 'listed' | 'counted' | 'absent';

export interface StandingWatch {
  current(): Standing;
  /** To be told of every consensus that is taken, as the topology has it already. */
  note(consensus: VerifiedConsensus): Promise<Standing>;
}

export function watchStanding(
  id: string,
  {
    topology,
    directory,
  }: { readonly topology: Topology; readonly directory: Pick<DirectoryClient, 'counted'> },
): StandingWatch {
  /** Digest of the consensus for which that was proven. */
  let counted: string | undefined;
  const current = (): Standing => {
    const valid = topology.valid();
    if (valid === undefined) return 'absent';
    if (valid.consensus.nodes.some((node) => node.id === id)) return 'listed';
    return valid.digest === counted ? 'counted' : 'absent';
  };
  return {
    current,
    async note(consensus) {
      if (current() === 'absent' && (await directory.counted(id, consensus).catch(() => false)))
        counted = consensus.digest;
      return current();
    },
  };
}
