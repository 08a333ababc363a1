import type { Constraints } from '@postern/protocol/route';
import { duration } from '@postern/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import { repeated } from './repeated.ts';

export interface ConstraintOptions {
  readonly include?: string[];
  readonly exclude?: string[];
  readonly pin?: string[];
  readonly meanDelay?: number;
}

/** Options for which paths a message may take. */
export function withConstraints(command: Command): Command {
  return command
    .option('--include <mix>', 'only these mixes, by name or id; may be repeated', repeated)
    .option('--exclude <mix>', 'none of these mixes; may be repeated', repeated)
    .option(
      '--pin <mixes>',
      'the mix of each layer, by name or id, as FIRST,SECOND,…; an empty place leaves a layer open',
      pins,
    )
    .option(
      '--mean-delay <duration>',
      'mean delay at each mix, for example 2s; 0s for none (default: the consensus’s)',
      milliseconds,
    );
}

export function constraintsOf({ include = [], exclude = [], pin = [] }: ConstraintOptions): Constraints {
  return { include, exclude, pinned: pin.map((mix) => (mix === '' ? undefined : mix)) };
}

/** `200ms`, `5s`, `10m` … → milliseconds, for an option. */
export function milliseconds(text: string): number {
  const parsed = duration.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError('It is no duration; write for example 200ms, 5s or 10m.');
}

function pins(text: string): string[] {
  return text.split(',').map((mix) => mix.trim());
}
