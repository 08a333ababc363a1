import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { commandLine, ExitCode } from '@postern/runtime';
import { CommanderError } from 'commander';
import { drawJourney } from '../picture/journey.ts';
import { type Outcome, runDemo } from './run.ts';
import { lineOf, paintFor, report } from './show.ts';

interface Options {
  readonly json?: boolean;
  readonly dir?: string;
  readonly keep?: boolean;
  readonly svg?: string;
}

/** The command line of the demo: resolves to the exit code, which is 0 only when all went as it should. */
export async function main(args: readonly string[], stop: AbortSignal): Promise<number> {
  const program = commandLine(
    'demo',
    'A letter crosses three mixes on this machine, and everything that anybody had of it is searched.',
  )
    .option('--json', 'print one JSON object last on standard output; all else goes to standard error')
    .option('--dir <folder>', 'where everything is put; empty or not there (default: a new temporary folder)')
    .option('--keep', 'leave keys, logs and spools there, too, and not only the letter and the picture')
    .option('--svg <file>', 'where the picture of the journey goes (default: journey.svg in the folder)');
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    // commander has written the help or the mistake already
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    throw error;
  }
  return demo(program.opts<Options>(), stop);
}

async function demo({ json = false, keep = false, ...options }: Options, stop: AbortSignal): Promise<number> {
  const dir =
    options.dir === undefined ? await mkdtemp(join(tmpdir(), 'postern-demo-')) : resolve(options.dir);
  const svg = options.svg === undefined ? join(dir, 'journey.svg') : resolve(options.svg);
  const out = json ? process.stderr : process.stdout;
  const paint = paintFor(out.isTTY && process.env.NO_COLOR === undefined);
  const outcome = await runDemo({
    dir,
    signal: stop,
    onEvent(event) {
      const line = lineOf(event, paint);
      if (line !== undefined) out.write(`${line}\n`);
    },
  });
  await mkdir(resolve(svg, '..'), { recursive: true });
  await writeFile(svg, drawJourney(outcome));
  if (!keep) await tidy(dir);
  out.write(`${report(outcome, paint)}\n  the journey as a picture: ${svg}\n`);
  if (json) process.stdout.write(`${JSON.stringify(asJson(outcome))}\n`);
  return exitCodeOf(outcome);
}

/** Delivered is not enough: a leak fails the demo, and so does a search that missed something. */
export function exitCodeOf({ delivered, intact, knowledge }: Outcome): number {
  return delivered && intact && knowledge.ok ? ExitCode.ok : ExitCode.failure;
}

/** Leaves Maildirs, homes and the picture. */
async function tidy(dir: string): Promise<void> {
  const left = new Set(['mail', 'homes', 'journey.svg']);
  for (const name of await readdir(dir)) {
    if (!left.has(name)) await rm(join(dir, name), { recursive: true });
  }
}

function asJson(outcome: Outcome): object {
  const { delivered, intact, ways, wireSizes, elapsedMs, knowledge, layers, deliveredPath, openedPath } =
    outcome;
  return {
    delivered,
    intact,
    hops: layers.map((_, hop) => ({
      hop: hop + 1,
      mixes: [...new Set(ways.map(({ path }) => path.hops[hop]))],
      heldMs: ways.map(({ heldMs }) => heldMs[hop]),
    })),
    packets: ways.map(({ path, heldMs, transfers }) => ({
      path: path.hops,
      delaysMs: path.delaysMs,
      heldMs,
      wireSizes: transfers.map(({ bytes }) => bytes),
    })),
    wireSizes,
    elapsedMs,
    knowledge: {
      ok: knowledge.ok,
      violations: knowledge.violations,
      missed: knowledge.missed,
      searched: knowledge.searched,
      table: Object.fromEntries(
        knowledge.rows.map(({ party, cells }) => [
          party,
          Object.fromEntries(
            Object.entries(cells).map(([kind, { may, found, ok }]) => [kind, { may, found, ok }]),
          ),
        ]),
      ),
    },
    deliveredPath,
    openedPath,
  };
}
