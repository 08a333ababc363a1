import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The project's commands. */
export type Program = 'postern-directory' | 'postern-node' | 'postern';

const packages: Readonly<Record<Program, string>> = {
  'postern-directory': '@postern/directory',
  'postern-node': '@postern/node',
  postern: '@postern/client',
};

/** As the command's own first line and the service's unit have them. */
const flags: Partial<Record<Program, readonly string[]>> = {
  'postern-node': ['--max-semi-space-size=2', '--max-old-space-size=1024'],
};

/** Arguments for `node` that run a command, from its source or as it was built: as this code itself runs. */
export function nodeArguments(program: Program): string[] {
  const index = new URL(import.meta.resolve(packages[program]));
  const fromSource = index.pathname.endsWith('.ts');
  const main = fileURLToPath(new URL(fromSource ? './main.ts' : './main.js', index));
  if (!existsSync(main)) throw new Error(`${program} is not built: ${main} is missing`);
  return [...(flags[program] ?? []), ...(fromSource ? ['--conditions=@postern/source'] : []), main];
}

/**
 * The environment of a command: ours, and a place for compiled code beside the installed packages, which halves the time that a
 * process takes to start.
 */
export function environment(): NodeJS.ProcessEnv {
  const cache = fileURLToPath(new URL('../../../../node_modules/.cache/postern', import.meta.url));
  return { ...process.env, NODE_COMPILE_CACHE: cache };
}
