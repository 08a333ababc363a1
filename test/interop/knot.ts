import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Endpoint } from '@postern/runtime';
import { freePort, haveAsRoot, openFolder, until } from './debian.ts';
import { here, type Place } from './place.ts';

/** One zone of a server. The first given is the root of all that follow. */
export interface KnotZone {
  /** `.`, `test`, `b.test`. */
  readonly name: string;
  /** Lines of a zone file below the zone's own SOA and NS; names are relative to it. */
  readonly records?: readonly string[];
  /** Seconds for which it is remembered that a name is not there; 300 when not given. */
  readonly negativeTtl?: number;
  /** How it is signed; `no` is not at all. */
  readonly signed?: 'nsec3' | 'nsec' | 'opt-out' | 'no';
  /** What its parent says of its key: the truth, unless told otherwise. */
  readonly ds?: 'right' | 'wrong' | 'missing';
  /** Signed beforehand, as of this many Unix seconds, and then changed by `tamper`; the server signs nothing more. */
  readonly frozen?: { readonly at?: number; tamper?(zone: string): string };
}

/** Debian's Knot DNS, authoritative for a private root and zones below it. */
export interface Knot extends AsyncDisposable {
  readonly address: Endpoint;
  readonly zones: readonly string[];
  /** The root zone's keys, as lines of a zone file. */
  readonly anchors: string;
  /** Puts other records into a zone that the server signs; they are served when it returns. */
  change(zone: string, records: readonly string[]): Promise<void>;
}

export const haveKnot: boolean = await haveAsRoot(
  '/usr/sbin/knotd',
  '/usr/sbin/knotc',
  '/usr/sbin/keymgr',
  '/usr/bin/kzonesign',
);

export interface KnotOptions {
  readonly zones: readonly KnotZone[];
  /** Addresses on port 53, of which the first is shown; a free port of 127.0.0.1 unless given. */
  readonly listen?: readonly string[];
  readonly place?: Place;
}

export async function startKnot({ zones, listen = [], place = here }: KnotOptions): Promise<Knot> {
  const folder = await openFolder('knot');
  const [host = '127.0.0.1'] = listen;
  const port = listen.length > 0 ? 53 : await freePort(host);
  const conf = join(folder, 'knot.conf');
  for (const name of ['run', 'state', 'zones', 'frozen']) await mkdir(join(folder, name));
  const address = { host, port };
  await writeFile(conf, await knotConf(folder, address, zones, listen));
  for (const { name, signed } of zones)
    if (signed !== 'no') await run('/usr/sbin/keymgr', ['-c', conf, name, 'generate', ...keyOf(signed)]);

  const delegations = async (parent: KnotZone): Promise<string[]> => {
    const children = zones.filter(({ name }) => parentOf(name, zones) === parent.name);
    return (
      await Promise.all(children.map((child) => delegationOf(child, child.signed === 'no' ? '' : conf)))
    ).flat();
  };
  const write = async (zone: KnotZone, records: readonly string[]): Promise<void> => {
    const lines = [...apex(zone), ...(await delegations(zone)), ...records];
    await writeFile(join(folder, 'zones', fileOf(zone.name)), `${lines.join('\n')}\n`);
  };
  for (const zone of zones) {
    await write(zone, zone.records ?? []);
    if (zone.frozen !== undefined) await freeze(zone, address, folder);
  }

  const daemon = place.start('/usr/sbin/knotd', ['-c', conf]);
  const exited = once(daemon, 'exit');
  const control = async (...args: string[]): Promise<boolean> =>
    run('/usr/sbin/knotc', ['-c', conf, '-b', ...args]).then(
      () => true,
      () => false,
    );
  await until(() => isServing(conf, zones));
  const { stdout: anchors } = await run('/usr/sbin/keymgr', ['-c', conf, '.', 'ds']);
  return {
    address,
    zones: zones.map(({ name }) => name),
    anchors: withClass(anchors, '.').join('\n'),
    change: async (name, records) => {
      const zone = zones.find((each) => each.name === name);
      if (zone === undefined) throw new Error(`${name} is no zone here`);
      await write(zone, records);
      if (!(await control('zone-reload', name))) throw new Error(`${name} was not taken`);
    },
    [Symbol.asyncDispose]: async () => {
      daemon.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

const run = promisify(execFile);

/** Whether every zone has been loaded, and signed where it is to be. */
async function isServing(conf: string, zones: readonly KnotZone[]): Promise<boolean> {
  const shown = await run('/usr/sbin/knotc', ['-c', conf, 'zone-status', '+serial']).catch(() => ({
    stdout: '',
  }));
  return (shown.stdout.match(/serial: \d+/g) ?? []).length === zones.length;
}

/** Signs a zone once, with the server's key, and puts the outcome in the place of what the server would sign. */
async function freeze({ frozen, ...zone }: KnotZone, address: Endpoint, folder: string): Promise<void> {
  const { name } = zone;
  const conf = join(folder, 'frozen.conf');
  await writeFile(conf, await knotConf(folder, address, [zone]));
  const at = frozen?.at === undefined ? [] : ['-t', String(frozen.at)];
  const out = join(folder, 'frozen');
  await run('/usr/bin/kzonesign', ['-c', conf, '-o', out, ...at, name]);
  const signed = await readFile(join(out, fileOf(name)), 'utf8');
  await writeFile(join(out, fileOf(name)), frozen?.tamper?.(signed) ?? signed);
}

async function knotConf(
  folder: string,
  at: Endpoint,
  zones: readonly KnotZone[],
  listen: readonly string[] = [],
): Promise<string> {
  const addresses = listen.length > 0 ? listen : [at.host];
  const template = await readFile(new URL('../../infra/dns/knot.conf', import.meta.url), 'utf8');
  const filled = template
    .replace('@ADDRESS@@@PORT@', `[${addresses.map((host) => `${host}@${at.port}`).join(', ')}]`)
    .replace('@RUN@', join(folder, 'run'))
    .replace('@STATE@', join(folder, 'state'))
    .replace('@ZONES@', join(folder, 'zones'));
  const entries = zones.map(({ name, signed = 'nsec3', frozen }) =>
    [
      `  - domain: ${name}`,
      `    file: ${join(folder, frozen === undefined ? 'zones' : 'frozen', fileOf(name))}`,
      `    dnssec-signing: ${signed !== 'no' && frozen === undefined ? 'on' : 'off'}`,
      `    dnssec-policy: ${policies[signed]}`,
    ].join('\n'),
  );
  return `${filled}\nzone:\n${entries.join('\n')}\n`;
}

const policies = {
  nsec3: 'securemail',
  nsec: 'securemail-nsec',
  'opt-out': 'securemail-opt-out',
  no: 'securemail',
} as const;

function keyOf(signed: KnotZone['signed']): string[] {
  return [`algorithm=${signed === 'nsec' ? 'ed25519' : 'ecdsap256sha256'}`, 'ksk=yes', 'zsk=yes', ...used];
}

/** Since 2001, so that a zone can be signed as of years ago. */
const used = ['created', 'publish', 'ready', 'active'].map((timer) => `${timer}=1000000000`);

function apex({ name, negativeTtl = 300 }: KnotZone): string[] {
  return [
    `$ORIGIN ${absolute(name)}`,
    '$TTL 3600',
    `@ SOA ns.postern.invalid. hostmaster.postern.invalid. 1 3600 600 86400 ${negativeTtl}`,
    '@ NS ns.postern.invalid.',
  ];
}

async function delegationOf({ name, ds = 'right' }: KnotZone, conf: string): Promise<string[]> {
  const ns = `${absolute(name)} NS ns.postern.invalid.`;
  if (conf === '' || ds === 'missing') return [ns];
  const { stdout } = await run('/usr/sbin/keymgr', ['-c', conf, name, 'ds']);
  const lines = withClass(stdout, name);
  return [ns, ...(ds === 'right' ? lines : lines.map((line) => line.replace(/\S+$/, wrongDigest)))];
}

/** Of every digest type that `keymgr` prints, the line of SHA-256. */
function withClass(printed: string, name: string): string[] {
  return printed
    .split('\n')
    .flatMap((line) => / DS (\d+ \d+ 2 [0-9a-f]+)$/.exec(line)?.[1] ?? [])
    .map((data) => `${absolute(name)} IN DS ${data}`);
}

const wrongDigest = '00'.repeat(32);

function absolute(name: string): string {
  return name === '.' ? name : `${name}.`;
}

function fileOf(name: string): string {
  return `${name === '.' ? 'root' : name}.zonefile`;
}

/** The nearest zone above. */
function parentOf(name: string, zones: readonly KnotZone[]): string | undefined {
  if (name === '.') return undefined;
  const above = zones.map((zone) => zone.name).filter((other) => other !== '.' && name.endsWith(`.${other}`));
  return above.sort((one, other) => other.length - one.length)[0] ?? '.';
}
