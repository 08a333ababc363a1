import { ExitCode } from '@postern/runtime';
import type { Problem } from '../message.ts';
import { type Context, warn } from './context.ts';
import { write } from './terminal.ts';
import { visible } from './visible.ts';

/** Says each problem and what to do about it, and returns the exit code that they come to: 65 for several kinds. */
export async function explainProblems(context: Context, problems: readonly Problem[]): Promise<number> {
  for (const { message, hint } of problems) {
    await warn(context, message);
    await write(context.terminal.stderr, `  ${visible(hint)}\n`);
  }
  const codes = new Set(problems.map(({ exitCode }) => exitCode));
  if (codes.size > 1) return ExitCode.dataError;
  const [only = ExitCode.ok] = codes;
  return only;
}

/** As it is shown with `--json`. */
export function shownProblem({ exitCode: _exitCode, ...problem }: Problem): Omit<Problem, 'exitCode'> {
  return problem;
}
