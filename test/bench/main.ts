import { ExitCode, UserError } from '@postern/runtime';
import { readArguments } from '../arguments.ts';
import { backlogBenchmark } from './backlog.ts';
import type { Benchmark } from './benchmark.ts';
import { directoryBenchmark } from './directory.ts';
import { hopBenchmark } from './hop/hop.ts';
import { endOnSignals } from './interrupted.ts';
import { isInOwnNetwork, runInOwnNetwork } from './own-network.ts';
import { packetBenchmark } from './packet.ts';
import { scaleBenchmark } from './scale/scale.ts';
import { spoolBenchmark } from './spool.ts';

const benchmarks: Readonly<Record<string, Benchmark>> = {
  packet: packetBenchmark,
  hop: hopBenchmark,
  backlog: backlogBenchmark,
  spool: spoolBenchmark,
  scale: scaleBenchmark,
  directory: directoryBenchmark,
};

endOnSignals();
const { values, positionals, mistake } = readArguments({
  help: { type: 'boolean', short: 'h', default: false },
  'no-gate': { type: 'boolean', default: false },
  runs: { type: 'string' },
});
const name = positionals[0];
const runs = values.runs === undefined ? undefined : Number(values.runs);

if (mistake !== undefined) {
  console.error(`bench: ${mistake}\n\n${help()}`);
  process.exitCode = ExitCode.usage;
} else if (values.help) {
  console.log(help());
} else if (name === undefined || !Object.hasOwn(benchmarks, name)) {
  console.error(name === undefined ? help() : `bench: there is no benchmark ${name}\n\n${help()}`);
  process.exitCode = ExitCode.usage;
} else if (runs !== undefined && !(Number.isInteger(runs) && runs >= 1)) {
  console.error('bench: --runs takes a whole number from 1');
  process.exitCode = ExitCode.usage;
} else {
  const benchmark = benchmarks[name] as Benchmark;
  const lacks = benchmark.lacks?.();
  const moves = benchmark.ownNetwork === true && !isInOwnNetwork();
  if (lacks !== undefined) {
    console.error(`bench: ${name} needs ${lacks}, which is not installed`);
    process.exitCode = ExitCode.unavailable;
  } else if (moves && process.getuid?.() !== 0) {
    console.error(`bench: ${name} runs in a network of its own, which takes root`);
    process.exitCode = ExitCode.noPermission;
  } else if (moves) process.exitCode = await runInOwnNetwork();
  else await report(benchmark, runs).catch(say);
}

/** What only the person at the keyboard can mend is said alone, and all that is known of anything else. */
function say(error: unknown): void {
  console.error('bench:', error instanceof UserError ? error.message : error);
  process.exitCode = error instanceof UserError ? error.exitCode : ExitCode.software;
}

async function report(benchmark: Benchmark, count = benchmark.runs): Promise<void> {
  const { lines, missed } = await benchmark.run(count);
  console.log(lines.join('\n'));
  for (const gate of missed) console.log(`missed: ${gate}`);
  if (missed.length > 0 && !values['no-gate']) process.exitCode = ExitCode.failure;
}

function help(): string {
  return [
    'npm run bench -- NAME [--runs N] [--no-gate]',
    '',
    ...Object.entries(benchmarks).flatMap(([key, { summary, needs, gates, runs: usual }]) => [
      `  ${key.padEnd(10)} ${summary} (${usual} runs)`,
      `  ${''.padEnd(10)} needs: ${needs}`,
      ...gates.map((gate) => `  ${''.padEnd(10)} gate: ${gate}`),
    ]),
    '',
    '  --runs N     how often each piece of work is done',
    '  --no-gate    exit with 0 even when a gate is missed',
  ].join('\n');
}
