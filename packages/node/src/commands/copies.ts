import type { NodeConfig } from '../config.ts';

/**
 * Says what the node's other processes need a copy of: those of a spool that several share. Nothing for a node whose
 * spool one process has.
 */
export function tellCopies({ spool }: Pick<NodeConfig, 'spool'>, what: string, before = 'at once'): void {
  if (spool.redis === undefined) return;
  process.stderr.write(
    `If the node is several processes, copy ${what} to each other one’s place, ${before}: docs/operations/redis.md.\n`,
  );
}
