import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Person,
  readMaildir,
  startTestnet,
  type Testnet,
  type TestnetOptions,
  until,
} from '@postern/testkit';
import { type CommandOptions, type Ended, ours } from './command.ts';

/** A network of processes, and what people do with it at their command lines. */
export interface Processes extends AsyncDisposable {
  readonly net: Testnet;
  /** `postern` as a person runs it, with `--home` and, where a key is used, their passphrase. */
  postern(person: Person, args: readonly string[], options?: CommandOptions): Promise<Ended>;
  /** Sends a message by the command; gives its standard output as `--json` prints it. */
  send(
    author: Person,
    message: Uint8Array,
    ...args: readonly string[]
  ): Promise<Ended & { readonly value: unknown }>;
  /** What has come into a Maildir beyond the first `known` files, once there are `count` of it. */
  arrivals(person: Person, known: number, count?: number): Promise<Buffer[]>;
  /** How many files lie in a Maildir. */
  countOf(person: Person): Promise<number>;
  /** Carriages that all mixes have accepted since they were started. */
  taken(): Promise<number>;
}

export async function startProcesses(options: Omit<TestnetOptions, 'dir'> = {}): Promise<Processes> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-e2e-'));
  const net = await startTestnet({
    mixes: 3,
    meanDelay: '20ms',
    keepTraffic: false,
    ...options,
    dir: join(folder, 'net'),
  });
  const passphrases = new Map<Person, string>();
  for (const person of net.people) {
    const file = join(folder, person.mailbox);
    await writeFile(file, person.password, { mode: 0o600 });
    passphrases.set(person, file);
  }
  const postern: Processes['postern'] = (person, args, more) => {
    const [name = ''] = args;
    const secret = ['send', 'open'].includes(name)
      ? ['--passphrase-file', passphrases.get(person) ?? '']
      : [];
    return ours('postern', ['--home', person.home, ...args, ...secret], more);
  };
  const countOf = async (person: Person): Promise<number> => (await readMaildir(person.maildir)).length;
  return {
    net,
    postern,
    async send(author, input, ...args) {
      const ended = await postern(author, ['send', '--json', ...args], { input });
      return { ...ended, value: JSON.parse(ended.stdout.toString('utf8')) };
    },
    arrivals: (person, known, count = 1) =>
      until(
        async () => {
          const found = await readMaildir(person.maildir);
          return found.length >= known + count && found.map(({ bytes }) => bytes);
        },
        { what: `${count} more for ${person.mailbox}` },
      ),
    countOf,
    async taken() {
      const mixes = net.members.filter(({ role }) => role === 'mix');
      const counts = await Promise.all(mixes.map(async (mix) => acceptedBy(await mix.status())));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    async [Symbol.asyncDispose]() {
      await net.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function acceptedBy(status: unknown): number {
  return (status as { counters: { received: { accepted: number } } }).counters.received.accepted;
}
