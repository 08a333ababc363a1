import { readArguments } from '../arguments.ts';

export interface FuzzOptions {
  readonly seconds: number;
  /** All of them when none is named. */
  readonly targets: readonly string[];
  readonly seed: string;
  readonly jobs: number;
  readonly keep: boolean;
}

/** What the command was told; the names are those of all targets. */
export function readOptions(
  names: readonly string[],
  given?: readonly string[],
): FuzzOptions | { readonly help: true } | { readonly wrong: string } {
  const { values, positionals, mistake } = readArguments(
    {
      help: { type: 'boolean', short: 'h', default: false },
      seconds: { type: 'string', default: '60' },
      target: { type: 'string', multiple: true, default: [] },
      seed: { type: 'string', default: String(Date.now()) },
      jobs: { type: 'string', default: '2' },
      keep: { type: 'boolean', default: false },
    },
    given,
  );
  const seconds = Number(values.seconds);
  const jobs = Number(values.jobs);
  const [unknown] = values.target.filter((name) => !names.includes(name));
  if (values.help) return { help: true };
  if (mistake !== undefined) return { wrong: mistake };
  if (positionals.length > 0) return { wrong: `${positionals[0]} is no option` };
  if (unknown !== undefined) return { wrong: `there is no target ${unknown}` };
  if (!(seconds > 0) || !Number.isInteger(jobs) || jobs < 1)
    return { wrong: '--seconds and --jobs take numbers above 0' };
  const targets = values.target.length > 0 ? [...new Set(values.target)] : names;
  return { seconds, targets, seed: values.seed, jobs, keep: values.keep };
}
