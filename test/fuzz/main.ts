import { relative } from 'node:path';
import { corpusFolder, keep, readCorpus } from './corpus.ts';
import { Memory } from './memory.ts';
import { type FuzzOptions, readOptions } from './options.ts';
import { findingLine, progressLine, summary } from './report.ts';
import { Supervisor } from './supervisor.ts';
import { counted, targets } from './targets.ts';

const names = targets.map(({ name }) => name);
const options = readOptions(names);

if ('help' in options) {
  console.log(help());
} else if ('wrong' in options) {
  console.error(`fuzz: ${options.wrong}\n\n${help()}`);
  process.exitCode = 64;
} else {
  process.exitCode = await fuzz(options);
}

/** The exit code: 1 when something was found. */
async function fuzz({ seconds, targets: chosen, seed, jobs, keep: keeps }: FuzzOptions): Promise<number> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once('SIGINT', end);
  const timer = setTimeout(end, seconds * 1_000);
  const memory = new Memory();
  const paths: string[] = [];
  const supervisor = new Supervisor({
    module: new URL('./targets.ts', import.meta.url).pathname,
    targets: chosen,
    counted,
    corpus: (name) => readCorpus(name).map(({ bytes }) => bytes),
    seed,
    jobs: Math.min(jobs, chosen.length),
    endless: true,
    signal: stop.signal,
    onFinding(finding) {
      const path = relative(process.cwd(), keep(finding.target, finding.input));
      paths.push(path);
      console.error(`\n${findingLine(finding, path)}`);
    },
  });
  console.error(`fuzz: ${chosen.length} targets, ${seconds} s, seed ${seed}, ${jobs} jobs`);
  const tell = (): void => {
    memory.sample();
    console.error(progressLine(supervisor.tallies, supervisor.findings.length, memory));
  };
  const first = setTimeout(tell, 1_000);
  const progress = setInterval(tell, 5_000);
  const outcome = await supervisor.run();
  clearTimeout(timer);
  clearTimeout(first);
  clearInterval(progress);
  process.off('SIGINT', end);
  if (keeps) for (const [name, inputs] of outcome.essence) for (const input of inputs) keep(name, input);
  const grown = memory.judge(outcome.heaps);
  console.log(summary(outcome, memory, grown, paths));
  return outcome.findings.length > 0 || grown.length > 0 ? 1 : 0;
}

function help(): string {
  return [
    'npm run fuzz -- [--seconds N] [--target NAME]… [--seed TEXT] [--jobs N] [--keep]',
    '',
    '  --seconds N     how long (60)',
    '  --target NAME   only this one; may be given more than once',
    '  --seed TEXT     the same mutations in the same order, as far as the time goes (the time of day)',
    '  --jobs N        threads among which the targets are dealt (2)',
    `  --keep          adds inputs that reach new code to ${relative(process.cwd(), corpusFolder)}; one that breaks something is always kept`,
    '',
    'Exit code 1: something was found. Targets:',
    `  ${names.join('\n  ')}`,
  ].join('\n');
}
