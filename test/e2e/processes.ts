import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storesFolder } from '@postern/runtime/testing';
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
  /** The next message in a Maildir that this has not given before. */
  arrival(person: Person): Promise<Buffer>;
  /** How many more there are. */
  unseen(person: Person): Promise<number>;
  /** Carriages that all mixes have accepted since they were started. */
  taken(): Promise<number>;
}

export async function startProcesses(options: Omit<TestnetOptions, 'dir'> = {}): Promise<Processes> {
  const folder = await storesFolder('e2e');
  const net = await startTestnet({
    mixes: 3,
    meanDelay: '20ms',
    keepTraffic: false,
    ...options,
    dir: join(folder, 'net'),
  });
  const postern: Processes['postern'] = ({ home, passphraseFile }, args, more) => {
    const locked = args[0] === 'send' || args[0] === 'open';
    const secret = locked ? ['--passphrase-file', passphraseFile] : [];
    return ours('postern', ['--home', home, ...args, ...secret], more);
  };
  const seen = new Set<string>();
  const unseen = async (person: Person) =>
    (await readMaildir(person.maildir)).filter(({ path }) => !seen.has(path));
  return {
    net,
    postern,
    async send(author, input, ...args) {
      const ended = await postern(author, ['send', '--json', ...args], { input });
      return { ...ended, value: JSON.parse(ended.stdout.toString('utf8')) };
    },
    async arrival(person) {
      const next = async () => (await unseen(person))[0];
      const { path, bytes } = await until(next, {
        what: `a message for ${person.mailbox}`,
        deadlineMs: 50_000,
      });
      seen.add(path);
      return bytes;
    },
    unseen: async (person) => (await unseen(person)).length,
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
