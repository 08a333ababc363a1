import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Downtime, epochAt, maxDowntimes } from '@postern/protocol/consensus';
import { ExitCode, isMissing, UserError, writeFileDurable } from '@postern/runtime';
import { z } from 'zod';

/** When the operator means to have the node down, Unix seconds. */
export interface Planned {
  readonly from: number;
  readonly until: number;
}

const time = z.int().min(0);
const list = z.array(z.strictObject({ from: time, until: time })).max(maxDowntimes);

/** What is planned, in order; none when nothing is. Throws `UserError` when the file is damaged. */
export async function readDowntime(dataDir: string): Promise<readonly Planned[]> {
  const path = pathIn(dataDir);
  try {
    return list.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw new UserError(`${path} cannot be read, or holds no downtimes`, {
      cause,
      exitCode: ExitCode.config,
      hint: 'Remove it, and plan anew: postern-node downtime add',
    });
  }
}

/** Adds a span, and forgets those that are over. Throws `UserError` when there are too many. */
export async function planDowntime(
  dataDir: string,
  added: Planned,
  now: number,
): Promise<readonly Planned[]> {
  const left = (await readDowntime(dataDir)).filter(({ until }) => until > now);
  const planned = joined([...left, added]);
  if (planned.length > maxDowntimes)
    throw new UserError(`${maxDowntimes} downtimes are planned already`, {
      exitCode: ExitCode.usage,
      hint: 'Wait until one is over, or begin again: postern-node downtime clear',
    });
  await writeFileDurable(pathIn(dataDir), `${JSON.stringify(planned)}\n`);
  return planned;
}

/** Forgets all that is planned. */
export async function clearDowntime(dataDir: string): Promise<void> {
  await writeFileDurable(pathIn(dataDir), '[]\n');
}

/** The epochs that what is planned touches, as a descriptor names them: none that are over (spec consensus 3). */
export function downtimeEpochs(planned: readonly Planned[], now: number, epochSeconds: number): Downtime[] {
  const epochs = planned.map(({ from, until }) => ({
    from: epochAt(from, epochSeconds),
    until: Math.ceil(until / epochSeconds),
  }));
  return joined(epochs.filter(({ until }) => until > epochAt(now, epochSeconds)));
}

/** In order, and those that meet made one. */
function joined(spans: readonly Planned[]): Planned[] {
  const whole: Planned[] = [];
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const before = whole.at(-1);
    if (before === undefined || before.until < span.from) whole.push(span);
    else whole[whole.length - 1] = { from: before.from, until: Math.max(before.until, span.until) };
  }
  return whole;
}

function pathIn(dataDir: string): string {
  return join(dataDir, 'downtime.json');
}
