import { Command, CommanderError, Help, type HelpConfiguration } from 'commander';
import { ExitCode, exitCodeMeanings } from './errors.ts';
import { version } from './version.ts';

/**
 * A command line to be filled with commands and options, and then run with `runCommandLine`. Its help ends in the exit codes; that of its
 * commands says which options have to be there.
 */
export function commandLine(name: string, description: string): Command {
  // commands that are added take this over from it: nothing ends the process
  return new Command(name)
    .description(description)
    .version(version, '--version', 'print which release it is')
    .exitOverride()
    .configureHelp(help)
    .showHelpAfterError('  With --help it says what may stand here.')
    .addHelpText('after', exitCodesHelp());
}

const help: HelpConfiguration = {
  showGlobalOptions: true,
  optionDescription(option) {
    const described = new Help().optionDescription(option);
    return option.mandatory ? `${described} (required)` : described;
  },
};

function exitCodesHelp(): string {
  const lines = Object.entries(exitCodeMeanings).map(([code, means]) => `  ${code.padEnd(4)}${means}`);
  return `\nExit codes:\n${lines.join('\n')}`;
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
