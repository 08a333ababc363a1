import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@postern/client';
import { duration, formatEndpoint } from '@postern/runtime';
import type { Chunk, TapOptions, TappedConnection } from '../adversary/tap.ts';
import { TestkitError } from '../errors.ts';
import { clientOf, introduce, maildirPattern, type Person, peopleOf, settle } from '../people/person.ts';
import { freePorts } from '../supervise/ports.ts';
import { type Member, type MemberOptions, makePeers, type Prepared, prepareMember } from './member.ts';
import { type NetworkFile, writeNetworkFile } from './network-file.ts';
import {
  authorityNames,
  gatewayName,
  mixNames,
  planTestnet,
  type TestnetOptions,
  type TestnetPlan,
} from './options.ts';

/** A network of separate processes on loopback, and the people who use it. */
export interface Testnet extends AsyncDisposable {
  readonly dir: string;
  readonly networkFile: string;
  readonly members: readonly Member[];
  readonly people: readonly Person[];
  /** Throws when there is none of that name. */
  member(name: string): Member;
  person(mailbox: string): Person;
  describe(): NetworkFile;
  /** SIGTERM to every process, in the order in which packets flow; resolves when all have drained. */
  close(): Promise<void>;
}

export interface TestnetEvents {
  /** A step of the start, for a person who waits. */
  readonly onStep?: (step: string) => void;
  /** What becomes of processes after the start, for a person who watches: one that ended, or was started again. */
  readonly onProcess?: (line: string) => void;
  /** With `taps`: every chunk on every wire. */
  readonly onTraffic?: (connection: TappedConnection, chunk: Chunk) => void;
  /** With `taps`: what is held on the wires, and until when. */
  readonly hold?: TapOptions['hold'];
  readonly signal?: AbortSignal;
}

/**
 * Starts it and writes `network.json` once every node is in the consensus and everybody knows everybody. Throws `TestkitError`; what
 * was started by then is stopped.
 */
export async function startTestnet(options: TestnetOptions, events: TestnetEvents = {}): Promise<Testnet> {
  const plan = planTestnet(options);
  const { onStep = () => undefined, onProcess = () => undefined } = events;
  await useFolder(plan.dir);
  await using started = new AsyncDisposableStack();
  const networkFile = join(plan.dir, 'network.json');
  const people = peopleOf(plan.dir, plan.domains);
  const members: Member[] = [];
  let complete: (() => void) | undefined;
  const onStart = (name: string, pid: number): void => {
    if (complete === undefined) return;
    onProcess(`${name} was started again, pid ${pid}`);
    complete();
  };
  const onEnd = (name: string, end: string): void => {
    if (complete !== undefined) onProcess(`${name} ended: ${end}`);
  };

  onStep(plan.authorities === 1 ? 'the directory authority' : 'the directory authorities');
  const nodes = [...mixNames(plan), ...plan.domains.map(gatewayName)];
  const freed = await freePorts(plan.authorities + nodes.length);
  const [directoryPorts, ports] = [freed.slice(0, plan.authorities), freed.slice(plan.authorities)];
  const { signal } = events;
  const shared = {
    dir: plan.dir,
    restart: plan.restart,
    redis: plan.redis,
    onStart,
    onEnd,
    tap: tapOptions(plan, events),
    patienceMs: patienceMs(plan),
    signal,
  };
  const prepare = async (options: MemberOptions): Promise<Prepared> => {
    const prepared = started.use(await prepareMember(options));
    signal?.throwIfAborted();
    return prepared;
  };
  const start = async (prepared: Prepared): Promise<void> => {
    members.push(started.use(await prepared.start()));
  };
  const directory: Prepared[] = [];
  for (const [at, name] of authorityNames(plan).entries())
    directory.push(
      await prepare(authorityOptions(plan, { ...shared, name, port: directoryPorts[at] ?? 0 }, nodes.length)),
    );
  await makePeers(directory);
  const trust = {
    urls: directory.map(({ reach }) => `http://${formatEndpoint(reach)}`),
    authorities: directory.map(({ printed }) => printed),
    threshold: Math.floor(plan.authorities / 2) + 1,
  };
  await all(directory.map(start));

  onStep(`keys for ${nodes.length} nodes and ${people.length} mailboxes`);
  const clients = new Map(people.map((person): [string, Client] => [person.mailbox, clientOf(person)]));
  const homes = Promise.all(
    people.map((person) => settle(person, clients.get(person.mailbox) as Client, trust)),
  );
  homes.catch(() => undefined); // awaited below
  // Their domains are in no DNS.
  const asked = ['--resolver', 'none'];
  const nodeInit = ['--directory-url', ...trust.urls, '--authority', ...trust.authorities, ...asked];
  const startNode = async (name: string, at: number): Promise<void> => {
    const common = { ...shared, name, port: ports[at] ?? 0 };
    const domain = plan.domains.find((one) => gatewayName(one) === name);
    const own = domain === undefined ? [] : gatewayInit(plan, domain, people);
    const role = domain === undefined ? 'mix' : 'delivery';
    await start(await prepare({ ...common, role, init: [...nodeInit, ...own] }));
  };
  // One ahead of the others: it leaves compiled code in the cache for all.
  const [first = '', ...rest] = nodes;
  await startNode(first, 0);
  await all(rest.map((name, at) => startNode(name, at + 1)));

  onStep('the first consensus');
  await homes;
  await all(members.map(({ ready }) => ready));
  members.sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name, 'en', { numeric: true }));

  onStep('everybody meets everybody');
  const zonePaths = plan.domains.map((domain) => zonePath(plan, domain));
  await introduce(clients, await Promise.all(zonePaths.map((path) => readFile(path, 'utf8'))));

  const describe = (): NetworkFile => ({
    version: 1,
    processes: members.map((member) => member.describe()),
    domains: plan.domains.map((domain) => ({
      domain,
      gateway: gatewayName(domain),
      zone: zonePath(plan, domain),
      mailboxes: people
        .filter((person) => person.domain === domain)
        .map(({ mailbox, password, passphraseFile, maildir, home }) => {
          return { mailbox, password, passphraseFile, maildir, home };
        }),
    })),
    directory: trust,
    client: { mailbox: people[0]?.mailbox ?? '', home: people[0]?.home ?? '' },
  });
  await writeNetworkFile(networkFile, describe());
  // From here on a restart changes a pid. One write after the other: a later state never lies under an earlier one.
  let writing = Promise.resolve();
  complete = () => {
    writing = writing.then(() => writeNetworkFile(networkFile, describe())).catch(() => undefined);
  };

  const running = started.move();
  const close = async (): Promise<void> => {
    complete = undefined;
    await Promise.all(members.map(({ process }) => process.stop()));
    await running.disposeAsync();
    await writing;
  };
  return {
    dir: plan.dir,
    networkFile,
    members,
    people,
    member: (name) => named(members, ({ name: own }) => own === name, name),
    person: (mailbox) => named(people, (person) => person.mailbox === mailbox, mailbox),
    describe,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Like `Promise.all`, but when one fails the others come to their end first: nothing starts behind a failure's back. */
async function all(promises: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((one) => one.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function named<T>(all: readonly T[], is: (one: T) => boolean, name: string): T {
  const found = all.find(is);
  if (found === undefined) throw new TestkitError('wrong-use', `the network has no ${name}`);
  return found;
}

async function useFolder(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await readdir(dir)).length > 0)
    throw new TestkitError('folder-in-use', `${dir} is not empty`, {
      hint: 'Name a folder that is empty or not there: nothing is replaced.',
    });
}

function authorityOptions(
  plan: TestnetPlan,
  shared: Omit<MemberOptions, 'role' | 'init'>,
  nodes: number,
): MemberOptions {
  const init = ['--epoch', plan.epoch, '--mean-delay', plan.meanDelay, '--bootstrap-nodes', `${nodes}`];
  return { ...shared, role: 'authority', init };
}

/** Several authorities agree at certain times only, of which the first may be missed: a quarter of an epoch apart at most. */
function patienceMs({ authorities, epoch }: TestnetPlan): number {
  return authorities === 1 ? 0 : duration.parse(epoch) / 2;
}

function gatewayInit({ dir }: TestnetPlan, domain: string, people: readonly Person[]): string[] {
  const locals = people.filter((person) => person.domain === domain).map(({ local }) => local);
  return ['--domain', domain, '--maildir', maildirPattern(dir, domain), '--mailbox', ...locals];
}

function zonePath({ dir }: TestnetPlan, domain: string): string {
  return join(dir, gatewayName(domain), 'data', `${domain}.zone`);
}

function tapOptions(
  { taps, keepTraffic: keep }: TestnetPlan,
  { onTraffic, hold }: TestnetEvents,
): MemberOptions['tap'] {
  if (!taps) return undefined;
  return {
    keep,
    ...(onTraffic === undefined ? {} : { onChunk: onTraffic }),
    ...(hold === undefined ? {} : { hold }),
  };
}

function order({ role }: Member): number {
  return ['authority', 'mix', 'delivery'].indexOf(role);
}
