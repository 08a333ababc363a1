import { Command, CommanderError } from 'commander';
import { ExitCode } from './errors.ts';

/** A command line to be filled with commands and options, and then run with `runCommandLine`. */
export function commandLine(name: string, description: string): Command {
  // commands that are added take this over from it: nothing ends the process
  return new Command(name).description(description).exitOverride();
}

/** Parses `args`, runs what they ask for, and resolves to the exit code. Throws what a command throws. */
export async function runCommandLine(program: Command, args: readonly string[]): Promise<number> {
  try {
    await program.parseAsync(args, { from: 'user' });
    return ExitCode.ok;
  } catch (error) {
    // commander has written the help or the mistake already
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    throw error;
  }
}
