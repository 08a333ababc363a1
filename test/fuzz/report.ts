import type { Tally } from './campaign.ts';
import { type Memory, mebibytes } from './memory.ts';
import type { Finding, Outcome } from './supervisor.ts';

/** One line for whoever watches. */
export function progressLine(
  tallies: ReadonlyMap<string, Tally>,
  findings: number,
  memory: Pick<Memory, 'resident'>,
): string {
  const all = [...tallies.values()];
  const executions = all.reduce((sum, tally) => sum + tally.executions, 0);
  const features = all.reduce((sum, tally) => sum + tally.features, 0);
  const found = findings === 0 ? '' : `, ${findings} found`;
  return `${executions} executions, ${features} features, ${mebibytes(memory.resident)} resident${found}`;
}

/** What broke, and the input that breaks it. */
export function findingLine(finding: Finding, path: string): string {
  return `${headOf(finding, path)}\n${finding.detail}`;
}

function headOf({ target, kind, reproduced }: Finding, path: string): string {
  const alone = reproduced
    ? ''
    : ' (not by this input alone: perhaps by a run before it, of whichever target)';
  return `${kind} in ${target}: ${path}${alone}`;
}

/** What a run came to: a line for each target, the memory, and what was found. */
export function summary(
  { tallies, findings, heaps }: Outcome,
  memory: Memory,
  grown: readonly string[],
  paths: readonly string[],
): string {
  const width = Math.max(...[...tallies.keys()].map((name) => name.length), 6);
  const row = (...[name = '', ...cells]: readonly string[]): string =>
    [name.padEnd(width), ...cells.map((cell) => cell.padStart(11))].join(' ');
  const rows = [...tallies].map(([name, { executions, features, inputs, slowestMs }]) =>
    row(name, String(executions), String(features), String(inputs), `${slowestMs.toFixed(0)} ms`),
  );
  const sum = [...tallies.values()].reduce((total, { executions }) => total + executions, 0);
  const unreached = [...tallies.values()].filter(({ executions }) => executions === 0).length;
  const perWorker = heaps
    .filter((heap) => heap.length > 0)
    .map((heap) => `${mebibytes(heap[0] ?? 0)} → ${mebibytes(heap.at(-1) ?? 0)}`);
  return [
    row('target', 'executions', 'features', 'inputs', 'slowest'),
    ...rows,
    '',
    `${sum} executions`,
    ...(perWorker.length > 0 ? [`heaps after collection: ${perWorker.join(', ')}`] : []),
    `resident at each minute: ${memory.minutes.map(mebibytes).join(', ') || 'shorter than a minute'}`,
    ...grown,
    ...(unreached > 0
      ? [`${unreached} of ${tallies.size} targets were not reached: give it longer, or fewer with --target`]
      : []),
    ...findings.map((finding, at) => headOf(finding, paths[at] ?? '')),
    findings.length === 0 ? 'nothing found' : `${findings.length} found`,
  ].join('\n');
}
