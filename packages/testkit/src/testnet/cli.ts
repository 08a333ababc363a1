import { join, resolve } from 'node:path';
import { aborted, commandLine, ExitCode } from '@postern/runtime';
import { CommanderError, InvalidArgumentError, Option } from 'commander';
import { startTestnet, type Testnet } from './testnet.ts';
import { recordTraffic } from './traffic-files.ts';

interface Options {
  readonly dir: string;
  readonly mixes: number;
  readonly authorities: number;
  readonly domains: string[];
  readonly meanDelay: string;
  readonly epoch?: string;
  readonly restart?: boolean;
  readonly tap?: boolean;
}

/** The command line of the testnet: resolves to the exit code, once `stop` has aborted and everything has drained. */
export async function main(args: readonly string[], stop: AbortSignal): Promise<number> {
  const program = commandLine(
    'testnet',
    'A Postern network of separate processes on loopback. Runs until SIGTERM or Ctrl-C.',
  )
    .requiredOption('--dir <folder>', 'where everything is put; empty or not there')
    .option('--mixes <count>', 'how many mixes', count, 6)
    .option('--authorities <count>', 'how many directory authorities', count, 1)
    .addOption(
      new Option('--domains <domains>', 'domains with a gateway, with commas between')
        .argParser(commas)
        .default(['a.test', 'b.test'], 'a.test,b.test'),
    )
    .option('--mean-delay <duration>', 'mean delay at each hop', '200ms')
    .option('--epoch <duration>', 'length of an epoch (default: 1h with one authority, 1m with several)')
    .option('--restart', 'start again what dies, on the same port')
    .option('--tap', 'put a wire-tap before every process, and keep what passes in DIR/taps');
  try {
    program.parse(args, { from: 'user' });
  } catch (error) {
    // commander has written the help or the mistake already
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    throw error;
  }
  const { tap = false, restart = false, ...options } = program.opts<Options>();
  try {
    await run({ ...options, restart, tap }, stop);
  } catch (error) {
    // whatever the order to stop has cut short is no failure
    if (!stop.aborted) throw error;
  }
  return ExitCode.ok;
}

async function run({ tap, ...options }: Options & { tap: boolean }, stop: AbortSignal): Promise<void> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  await using recording = tap ? recordTraffic(join(resolve(options.dir), 'taps')) : undefined;
  await using network = await startTestnet(
    { ...options, taps: tap, keepTraffic: false },
    {
      signal: stop,
      onStep: (step) => say(`starting: ${step}`),
      onProcess: say,
      ...(recording === undefined ? {} : { onTraffic: recording.write }),
    },
  );
  say(summary(network));
  await aborted(stop);
  say('stopping');
}

function summary({ members, people, networkFile }: Testnet): string {
  const lines = members.map(({ name, role, process, listen }) =>
    [name.padEnd(16), role.padEnd(9), `pid ${process.pid}`.padEnd(12), `${listen.host}:${listen.port}`].join(
      ' ',
    ),
  );
  return [
    ...lines,
    `mailboxes: ${people.map(({ mailbox }) => mailbox).join(', ')}`,
    `ready: ${networkFile}`,
  ].join('\n');
}

function count(text: string): number {
  if (!/^\d{1,4}$/.test(text)) throw new InvalidArgumentError('It is no count.');
  return Number(text);
}

function commas(text: string): string[] {
  return text.split(',').map((one) => one.trim());
}
