import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The command line by `options`, or as if it were empty with what is wrong with it. */
export function readArguments<Options extends NonNullable<ParseArgsConfig['options']>>(
  options: Options,
  given: readonly string[] = process.argv.slice(2),
) {
  const read = (args: readonly string[]) => parseArgs({ args: [...args], allowPositionals: true, options });
  try {
    return { ...read(given), mistake: undefined };
  } catch (error) {
    return { ...read([]), mistake: (error as Error).message };
  }
}
