import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Client } from '@postern/client';
import { parseAuthorityConfig, type RunningAuthority, startAuthority } from '@postern/directory';
import { createSmtpSender } from '@postern/mail';
import { createLog, formatEndpoint } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { createRecorder, type Recorder } from '../adversary/recorder.ts';
import { startTap, type Tap, type TapOptions } from '../adversary/tap.ts';
import { SeededRandom } from '../chance/seeded-random.ts';
import { FakeClock } from '../clock/fake-clock.ts';
import { TestkitError } from '../errors.ts';
import {
  clientOf,
  type DirectoryTrust,
  introduce,
  maildirPattern,
  type Person,
  peopleOf,
  readMaildir,
  settle,
} from '../people/person.ts';
import { authorityName, gatewayName, mixNames } from '../testnet/options.ts';
import { hostNode, type NodeHost } from './node-host.ts';
import { atRest, type DrainOptions, drain } from './rest.ts';

export interface TestNetworkOptions {
  readonly mixes?: number;
  readonly domains?: readonly string[];
  readonly clock?: FakeClock;
  readonly random?: SeededRandom;
  readonly meanDelayMs?: number;
  /** Length of an epoch, as the authority's configuration writes it. */
  readonly epoch?: string;
  /** Whether the authority tries the mixes, on the wires that everybody uses. */
  readonly probe?: boolean;
  /** What the taps before the nodes hold, and until when. */
  readonly hold?: TapOptions['hold'];
}

/**
 * A whole network in one process: real SMTP over TLS between its nodes on loopback, but time is a fake clock's and chance is
 * seeded. An adversary sits on every wire and beside every sender.
 */
export interface TestNetwork extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly random: SeededRandom;
  readonly folder: string;
  readonly trust: DirectoryTrust;
  readonly authority: RunningAuthority;
  readonly authorityFolder: string;
  readonly authorityLog: () => string;
  /** On the wires to the authority. */
  readonly authorityTap: Tap;
  readonly nodes: readonly NodeHost[];
  readonly people: readonly Person[];
  /** Everything that any sender handed over, as its taker saw it. */
  readonly recorder: Recorder;
  node(name: string): NodeHost;
  person(mailbox: string): Person;
  /** That person's program. */
  client(mailbox: string): Client;
  /** What lies in a person's Maildir. */
  delivered(mailbox: string): Promise<{ path: string; bytes: Buffer }[]>;
  /** Resolves when nothing moves any more unless the clock does. */
  rest(): Promise<void>;
  /** Moves the clock until every packet has come to its end. */
  drain(options?: DrainOptions): Promise<void>;
}

export async function startTestNetwork(options: TestNetworkOptions = {}): Promise<TestNetwork> {
  const {
    mixes = 6,
    domains = ['a.test', 'b.test'],
    meanDelayMs = 200,
    epoch = '1h',
    probe = false,
  } = options;
  const { clock = new FakeClock(), random = new SeededRandom('test network') } = options;
  await using opened = new AsyncDisposableStack();
  const folder = await storesFolder('net');
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const recorder = createRecorder();
  const names = mixNames({ mixes });

  const authorityFolder = join(folder, authorityName);
  const lines: string[] = [];
  const authority = opened.use(
    await startAuthority(
      parseAuthorityConfig({
        name: authorityName,
        data_dir: authorityFolder,
        listen: '127.0.0.1:0',
        epoch,
        mean_delay: `${meanDelayMs}ms`,
        bootstrap: { nodes: names.length + domains.length },
        probe,
      }),
      {
        clock,
        random: random.fork(authorityName),
        log: createLog({ name: authorityName, destination: { write: (line) => void lines.push(line) } }),
      },
    ),
  );
  const authorityTap = opened.use(await startTap({ name: authorityName }));
  const served = new URL(authority.url);
  authorityTap.leadTo({ host: served.hostname, port: Number(served.port) });
  const trust = {
    urls: [`http://${formatEndpoint(authorityTap.address)}`],
    authorities: [authority.vkey],
    threshold: 1,
  };

  const people = peopleOf(folder, domains);
  const host = async (name: string, domain?: string): Promise<NodeHost> =>
    opened.use(
      await hostNode({
        name,
        role: domain === undefined ? 'mix' : 'delivery',
        folder: join(folder, name),
        directoryUrl: trust.urls[0] ?? '',
        authority: authority.vkey,
        clock,
        random: random.fork(name),
        recorder,
        hold: options.hold,
        ...(domain === undefined ? {} : { delivery: deliveryOf(folder, domain, people) }),
      }),
    );
  const nodes = await Promise.all([
    ...names.map((name) => host(name)),
    ...domains.map((domain) => host(gatewayName(domain), domain)),
  ]);
  await listed(nodes, clock);

  const clients = new Map<string, Client>();
  for (const person of people) {
    const sender = opened.use(recorder.record(person.mailbox, createSmtpSender({ ehloName: person.domain })));
    const client = clientOf(person, { clock, random: random.fork(person.mailbox), sender });
    clients.set(person.mailbox, opened.use(client));
    await settle(person, client, trust);
  }
  const zones = domains.map((domain) => join(folder, gatewayName(domain), 'data', `${domain}.zone`));
  await introduce(clients, await Promise.all(zones.map((path) => readFile(path, 'utf8'))));

  const moving = { clock, nodes, recorder };
  const running = opened.move();
  return {
    clock,
    random,
    folder,
    trust,
    authority,
    authorityFolder,
    authorityLog: () => lines.join(''),
    authorityTap,
    nodes,
    people,
    recorder,
    node: (name) =>
      known(
        nodes.find((node) => node.name === name),
        name,
      ),
    person: (mailbox) =>
      known(
        people.find((person) => person.mailbox === mailbox),
        mailbox,
      ),
    client: (mailbox) => known(clients.get(mailbox), mailbox),
    delivered: async (mailbox) =>
      readMaildir(
        known(
          people.find((person) => person.mailbox === mailbox),
          mailbox,
        ).maildir,
      ),
    async rest() {
      await atRest(moving);
    },
    drain: (drainOptions) => drain(moving, drainOptions),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function deliveryOf(
  folder: string,
  domain: string,
  people: readonly Person[],
): { domain: string; maildir: string; mailboxes: string[] } {
  const mailboxes = people.filter((person) => person.domain === domain).map(({ local }) => local);
  return { domain, maildir: maildirPattern(folder, domain), mailboxes };
}

/** Starts all, and moves the clock while they ask for the consensus again and again. */
async function listed(nodes: readonly NodeHost[], clock: FakeClock): Promise<void> {
  let ready = false;
  const all = Promise.all(
    nodes.map(async (node) => {
      const running = await node.start();
      await running.ready;
    }),
  ).finally(() => {
    ready = true;
  });
  all.catch(() => undefined); // awaited below
  while (!ready) {
    await clock.advanceBy(10);
    await turn();
  }
  await all;
}

function known<T>(found: T | undefined, name: string): T {
  if (found === undefined) throw new TestkitError('wrong-use', `the network has no ${name}`);
  return found;
}
