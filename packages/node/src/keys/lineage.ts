import { join } from 'node:path';
import { ExitCode, makePrivateDirectory, type Random } from '@postern/runtime';
import { NodeError } from '../errors.ts';
import type { Lineage } from '../spool.ts';
import { destroyChain, newChain, readChains, writeChain } from './chain.ts';
import { copyAgain, mixFolder } from './mix-keys.ts';

export interface LineageContext {
  readonly dataDir: string;
  readonly random: Random;
  /** What the spool says of it. */
  readonly spool: Lineage;
  /** The epoch that a new chain begins with. */
  readonly epoch: number;
  /** Whether this process opens packets, and so needs keys. */
  readonly peels: boolean;
}

/**
 * Sees to it that a mix's processes have keys of one chain: the spool names its lineage, which is that of the first of them. Gives the
 * lineage; nothing for a process that neither has keys nor needs any. Throws `NodeError` `other-mix-keys`, with everything as it was, for a
 * process that has not the chain of the others. To be called once the keys are tied to the spool.
 */
export async function agreeOnLineage(context: LineageContext): Promise<string | undefined> {
  const { dataDir, random, spool, epoch, peels } = context;
  const folder = join(dataDir, mixFolder);
  await makePrivateDirectory(folder);
  const own = new Set((await readChains(folder)).map(({ lineage }) => lineage));
  if (own.size === 0 && !peels) return undefined;
  const named = await spool.read();
  if (named !== undefined || own.size > 1) return own.has(named ?? '') ? named : refuse(folder, own.size);
  const [kept] = own;
  if (kept !== undefined && !peels) return kept;
  if (kept !== undefined) return (await spool.claim(kept)) === kept ? kept : refuse(folder, own.size);
  const made = newChain(epoch, random);
  // Before the spool names it: a crash in between leaves a chain that it will name.
  await writeChain(folder, made);
  if ((await spool.claim(made.lineage)) === made.lineage) return made.lineage;
  await destroyChain(folder, made);
  return refuse(folder, 0);
}

function refuse(folder: string, chains: number): never {
  const what = chains === 0 ? 'has no mix keys' : 'has other mix keys than the spool’s other processes';
  throw new NodeError('other-mix-keys', `${folder} ${what}: what comes for them it could not open`, {
    exitCode: ExitCode.config,
    hint: copyAgain,
  });
}
