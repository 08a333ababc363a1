import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type Client,
  type ClientOptions,
  type ClientPaths,
  createClient,
  formatClientConfig,
  xdgPaths,
} from '@postern/client';
import { makePrivateDirectory, writeFileDurable } from '@postern/runtime';

/** Someone with a mailbox, a key and a home. */
export interface Person {
  /** `alice@a.test` */
  readonly mailbox: string;
  readonly local: string;
  readonly domain: string;
  /** Passphrase of the mailbox's key. */
  readonly password: string;
  /** Holds it, for `postern --passphrase-file`. */
  readonly passphraseFile: string;
  /** Holds `.config/postern`, `.local/share/postern` and `.local/state/postern`. */
  readonly home: string;
  readonly paths: ClientPaths;
  /** Where the domain's gateway delivers. */
  readonly maildir: string;
}

/** How a person's program knows the network. */
export interface DirectoryTrust {
  readonly urls: readonly string[];
  readonly authorities: readonly string[];
  readonly threshold: number;
}

/** Two for each domain. */
const names = [
  'alice',
  'carol',
  'bob',
  'dave',
  'erin',
  'grace',
  'frank',
  'heidi',
  'ivan',
  'judy',
  'niaj',
  'olivia',
];

/** Who lives at each domain: alice and carol at the first, bob and dave at the second. */
export function peopleOf(folder: string, domains: readonly string[]): Person[] {
  return domains.flatMap((domain, at) =>
    [2 * at, 2 * at + 1].map((index): Person => {
      const local = names[index] ?? `user${index + 1}`;
      const home = join(folder, 'homes', `${local}@${domain}`);
      return {
        mailbox: `${local}@${domain}`,
        local,
        domain,
        password: `${local}s passphrase`,
        passphraseFile: join(home, 'passphrase'),
        home,
        paths: xdgPaths({}, home),
        maildir: maildirPattern(folder, domain).replace('{local}', local),
      };
    }),
  );
}

/** As a gateway's configuration writes it. */
export function maildirPattern(folder: string, domain: string): string {
  return join(folder, 'mail', domain, '{local}', 'Maildir');
}

/** A person's own program; borrowed parts come from `options`. */
export function clientOf(person: Person, options: Omit<ClientOptions, 'paths' | 'passphrase'> = {}): Client {
  return createClient({ ...options, paths: person.paths, passphrase: async () => person.password });
}

/** Makes the home with its configuration, and a key. */
export async function settle(person: Person, client: Client, directory: DirectoryTrust): Promise<void> {
  const { home, paths, mailbox, password, passphraseFile } = person;
  await makePrivateDirectory(dirname(paths.configFile));
  await writeFileDurable(paths.configFile, formatClientConfig({ mailbox, ...directory, resolver: 'none' }));
  await writeFileDurable(passphraseFile, `${password}\n`);
  await linkFolders(home, paths);
  await mkdirs(person.maildir);
  await client.keys.generate(mailbox, { passphrase: password });
}

/** The folders also under the names by which `postern --home` looks for them. */
async function linkFolders(home: string, paths: ClientPaths): Promise<void> {
  const folders = {
    config: dirname(paths.configFile),
    data: dirname(paths.keys),
    state: dirname(paths.outbox),
  };
  for (const [name, folder] of Object.entries(folders)) {
    await makePrivateDirectory(folder);
    await symlink(folder.slice(home.length + 1), join(home, name));
  }
}

async function mkdirs(maildir: string): Promise<void> {
  for (const folder of ['tmp', 'new', 'cur'])
    await mkdir(join(maildir, folder), { recursive: true, mode: 0o700 });
}

/** Everybody gets everybody's certificate and every domain's records. */
export async function introduce(
  clients: ReadonlyMap<string, Client>,
  zones: readonly string[],
): Promise<void> {
  const armored = await Promise.all([...clients].map(([mailbox, { keys }]) => keys.export(mailbox)));
  await Promise.all(
    [...clients.values()].map(async ({ keys, domains }) => {
      for (const certificate of armored) await keys.import(Buffer.from(certificate));
      for (const zone of zones) await domains.pin(zone);
    }),
  );
}

/** What lies in a Maildir: every message with its path, oldest name first. */
export async function readMaildir(maildir: string): Promise<{ path: string; bytes: Buffer }[]> {
  const found: { path: string; bytes: Buffer }[] = [];
  for (const folder of ['cur', 'new']) {
    const names: string[] = await readdir(join(maildir, folder)).catch(() => []);
    for (const name of names.sort()) {
      const path = join(maildir, folder, name);
      found.push({ path, bytes: await readFile(path) });
    }
  }
  return found;
}
