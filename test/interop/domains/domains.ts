import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, parseClientConfig, pathsUnder } from '@postern/client';
import { parseAuthorityConfig, type RunningAuthority, startAuthority } from '@postern/directory';
import { createSmtpSender, type SmtpSender } from '@postern/mail';
import type { RunningNode } from '@postern/node';
import { type Clock, type Endpoint, type Log, silentLog, systemClock, systemRandom } from '@postern/runtime';
import type { Tap, TapOptions } from '@postern/testkit';
import { haveKnot } from '../knot.ts';
import { haveMailHost, type MailHost, startMailHost } from '../mailhost.ts';
import type { Gateway } from '../postfix.ts';
import { haveUnbound, type Unbound } from '../unbound.ts';
import { type Asker, mailServersResolver, startDomainDns } from './domain-dns.ts';
import { gatewayOf, type MadeNode, nodesIn } from './domain-nodes.ts';

/** Who stands on the wires of the domains and beside their processes. */
export interface Watch {
  /** Stands before the server of this name: everybody connects there, and not to the server. */
  tap(options: Pick<TapOptions, 'name' | 'listen' | 'from'>): Promise<Tap>;
  log(name: string): Log;
  /** Sends what `sender` would, for the one of this name. */
  record(name: string, sender: SmtpSender): SmtpSender;
}

/** Postern's gateway beside a domain's mail server. */
export interface DomainGateway {
  readonly node: RunningNode;
  /** Where Postfix hands on what is for the domain's `secure` mailbox. */
  readonly at: Gateway;
  /** Path of its certificate. */
  readonly certificate: string;
  readonly configPath: string;
}

/** A domain as its operator runs it: Postfix, Dovecot, and the gateway beside them. */
export interface Domain {
  readonly host: MailHost;
  readonly gateway: DomainGateway;
}

/**
 * Two domains that write to each other by way of their mail servers or of three mixes, with DNS that is signed. The authors of a.test
 * log in to its gateway as to its IMAP server; b.test only receives.
 */
export interface Domains extends AsyncDisposable {
  readonly a: Domain;
  readonly b: Domain;
  readonly mixes: readonly RunningNode[];
  readonly authority: RunningAuthority;
  /** Each one's own, by who asks it. */
  readonly resolvers: ReadonlyMap<Asker, Unbound>;
  /** Holds a folder of each node, by its name, with `data` in it; the authority's; and that of alice's program. */
  readonly folder: string;
  /** The program of `alice@a.test`, with a key of hers. */
  readonly alice: Client;
  /** What she logs in by at her gateway. */
  readonly login: { readonly user: string; readonly password: string };
  /** Another program of hers, with the same files, that knows her gateway by these keys. The one before must be done. */
  alicePinning(pins: readonly string[]): Client;
  /** The program of someone who submits to this server, with the password of everybody here, and without a key. Its files lie beside alice's. */
  programOf(
    mailbox: string,
    submission: { readonly kind?: 'account'; readonly server: Endpoint; readonly pin: readonly string[] },
  ): Client;
  /** What DNS says of a domain's gateway from now on, once what was said before is forgotten; without records it takes no part. */
  publish(domain: string, records: readonly string[]): Promise<void>;
  /** Puts the key that the gateway of b.test has now into DNS, and makes every resolver forget the one before. */
  republish(): Promise<void>;
  /** Takes back that a domain takes part; its mail exchanger stays, and nobody remembers. */
  withdraw(domain: string): Promise<void>;
  /** Each domain's Postfix hands what is for `secure` to the gateway. */
  routeAsUsual(): Promise<void>;
  /** Whether nothing is under way anywhere. */
  settled(): Promise<boolean>;
}

export interface DomainsOptions {
  readonly watch?: Watch;
  /** Length of the directory's epochs. */
  readonly epoch?: string;
  /** How long what the domains publish is remembered, in seconds. */
  readonly ttl?: number;
  /** Whether the gateway of a.test hands over to Postfix, or connects to other domains' exchangers itself. */
  readonly smarthost?: boolean;
  /** Where DNS says that the mail server of b.test is, on port 25, in place of its own address. */
  readonly exchanger?: string;
  /** What the record of b.test asks for. */
  readonly tls?: 'require' | 'prefer';
  /** Of the gateways of a.test and b.test. */
  readonly clocks?: { readonly a?: Clock; readonly b?: Clock };
  /** The gateway of b.test is in no consensus: the directory, which it follows, has no room for it. */
  readonly unlisted?: boolean;
  /** Ordinary mail finds the mixes: on port 25 of the host of their names. */
  readonly mixesOnPort25?: boolean;
  /** Domains of which there are records and nothing more. */
  readonly others?: readonly {
    readonly domain: string;
    /** Where its mail exchanger would be. */
    readonly exchanger: string;
    /** Its name servers answer the author, and never a node. */
    readonly silent?: boolean;
  }[];
}

export const haveDomains: boolean = haveMailHost && haveKnot && haveUnbound;

/** With where each is found by ordinary mail. */
const mixHosts: Readonly<Record<string, string>> = {
  'mix1.test': '127.0.0.31',
  'mix2.test': '127.0.0.32',
  'mix3.test': '127.0.0.33',
};
const mixNames = Object.keys(mixHosts);

export async function startDomains(options: DomainsOptions = {}): Promise<Domains> {
  const { watch, epoch = '1h', ttl = 3_600, smarthost = true, tls = 'require' } = options;
  const { clocks = {}, unlisted = false, mixesOnPort25 = false, others = [] } = options;
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'postern-domains-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const wireTo = wires(watch, stack);
  const nodesListed = mixNames.length + (unlisted ? 1 : 2);
  const authority = stack.use(
    await startTheAuthority(folder, { epoch, nodes: nodesListed, log: watch?.log('authority.test') }),
  );
  const directory = new URL(authority.url);
  const served = await wireTo(
    { name: 'authority.test' },
    { host: directory.hostname, port: Number(directory.port) },
  );
  const url = `http://${text(served)}`;
  const [hostA, hostB] = await startHosts(stack);
  // The exchangers that DNS names, on port 25 like all.
  const exchangerA = await wireTo(
    { name: 'mx.a.test', listen: { host: '127.0.0.21', port: 25 }, from: '127.0.0.21' },
    hostA.smtp,
  );
  const exchangerB = await wireTo(
    { name: 'mx.b.test', listen: { host: '127.0.0.22', port: 25 }, from: '127.0.0.22' },
    hostB.smtp,
  );

  const hosts = mixesOnPort25 ? mixHosts : {};
  const makeNode = nodesIn(folder, { url, vkey: authority.vkey, watch, stack, hosts });
  const mixes = await Promise.all(mixNames.map((name) => makeNode({ name, roles: ['mix'] })));
  const relayTo = async (at: Endpoint): Promise<string> => text(await wireTo({ name: 'mx.a.test' }, at));
  const gateA = await makeNode({
    name: 'gate.a.test',
    roles: ['delivery', 'submission'],
    behind: [hostA.smtp.host],
    delivery: { domain: 'a.test', lmtp: text(await wireTo({ name: 'dovecot.a.test' }, hostA.lmtp)) },
    submission: {
      listen: '127.0.0.1:0',
      imap: {
        at: text(await wireTo({ name: 'dovecot.a.test' }, hostA.account('alice').server)),
        pin: hostA.pin,
      },
      ...(smarthost && {
        smarthost: {
          require: await relayTo(hostA.relay.require),
          prefer: await relayTo(hostA.relay.prefer),
          pin: hostA.pin,
        },
      }),
    },
  });
  const gateB = await makeNode({
    name: 'gate.b.test',
    roles: ['delivery'],
    behind: [hostB.smtp.host],
    delivery: { domain: 'b.test', lmtp: text(await wireTo({ name: 'dovecot.b.test' }, hostB.lmtp)) },
  });

  const recordsOfOther = async (domain: string): Promise<string[]> => {
    const maildir = join(folder, domain, '{local}');
    const node = { name: `gate.${domain}`, roles: ['delivery' as const] };
    const made = await makeNode({ ...node, delivery: { domain, maildir, mailboxes: ['carol'] } });
    return made.records();
  };
  const recordsOfB = async (): Promise<string[]> => allow(tls, await gateB.records());
  const { resolvers, publish, forget } = await startDomainDns(stack, { ttl, hosts }, [
    {
      domain: 'a.test',
      exchanger: exchangerA.host,
      pin: hostA.pin,
      records: await gateA.records(),
    },
    {
      domain: 'b.test',
      exchanger: options.exchanger ?? exchangerB.host,
      pin: hostB.pin,
      records: await recordsOfB(),
    },
    ...(await Promise.all(
      others.map(async (other) => ({
        ...other,
        pin: hostA.pin,
        records: await recordsOfOther(other.domain),
      })),
    )),
  ]);
  const start = async (made: MadeNode, asker: Asker, clock: Clock = systemClock): Promise<RunningNode> =>
    stack.use(await made.start(addressOf(resolvers, asker), clock));
  const startingA = start(gateA, 'gate.a.test', clocks.a);
  const startingMixes = mixes.map((mix) => start(mix, 'mixes'));
  const readyAll = async (starting: readonly Promise<RunningNode>[]): Promise<void> => {
    await Promise.all(starting.map(async (node) => (await node).ready));
  };
  // Who comes when the directory is full is not listed.
  if (unlisted) await readyAll([startingA, ...startingMixes]);
  const startingB = start(gateB, 'gate.b.test', clocks.b);
  if (!unlisted) await readyAll([startingA, startingB, ...startingMixes]);
  const [nodeA, nodeB, ...mixNodes] = await Promise.all([startingA, startingB, ...startingMixes]);
  const nodes = [nodeA, nodeB, ...mixNodes];
  const a = { host: hostA, gateway: await gatewayOf(nodeA, gateA) };
  const b = { host: hostB, gateway: await gatewayOf(nodeB, gateB) };

  const [submission] = nodeA.submissions;
  if (submission === undefined) throw new Error('the gateway takes no submissions');
  const server = await wireTo({ name: 'gate.a.test', from: authorsAddress }, submission);
  const programs = stack.use(new AsyncDisposableStack());
  const programOf: Domains['programOf'] = (mailbox, given) => {
    const config = parseClientConfig({
      mailbox,
      directory: { urls: [url], authorities: [authority.vkey] },
      dns: { resolver: text(addressOf(resolvers, 'alice')) },
      send: { mean_delay: '20ms' },
      submission: { ...given, server: text(given.server), tls: 'starttls' },
    });
    const plain = programs.use(createSmtpSender({ ehloName: config.ehlo }));
    return programs.use(
      createClient({
        paths: pathsUnder(homeOf(folder, mailbox)),
        config,
        password: async () => password,
        ...(watch && { sender: watch.record(mailbox, plain) }),
      }),
    );
  };
  const alicePinning = (pins: readonly string[]): Client => programOf('alice@a.test', { server, pin: pins });
  const alice = alicePinning([a.gateway.at.pin]);
  await alice.keys.generate('alice@a.test', { noPassphrase: true });

  const routeAsUsual = async (): Promise<void> => {
    await hostA.postfix.route({ gateway: a.gateway.at });
    await hostB.postfix.route({ gateway: b.gateway.at });
  };
  await routeAsUsual();
  const started = stack.move();
  const change = async (domain: string, records: readonly string[]): Promise<void> => {
    await publish(domain, records);
    await forget();
  };
  return {
    a,
    b,
    mixes: mixNodes,
    authority,
    resolvers,
    folder,
    alice,
    alicePinning,
    programOf,
    login: { user: 'alice@a.test', password },
    publish,
    republish: async () => change('b.test', await recordsOfB()),
    withdraw: (domain) => change(domain, []),
    routeAsUsual,
    settled: async () => {
      if (!(await areIdle(nodes))) return false;
      const queues = await Promise.all([hostA, hostB].map(({ postfix }) => postfix.queue()));
      // Once more: what was in a queue at the first look may have come to a node since.
      return queues.flat().length === 0 && areIdle(nodes);
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** Where alice's gateway sees her connect from, when somebody stands between. */
export const authorsAddress = '127.0.0.77';

/** Of alice, and of whoever else writes. */
export const password = 'of alice';

/** Where a person's program keeps its files. */
export function homeOf(folder: string, mailbox: string): string {
  return join(folder, mailbox.split('@')[0] ?? '');
}

/** Gives where to connect to a server: itself, or who stands before it. */
function wires(watch: Watch | undefined, stack: AsyncDisposableStack) {
  return async (options: Parameters<Watch['tap']>[0], server: Endpoint): Promise<Endpoint> => {
    if (watch === undefined) return server;
    const tap = stack.use(await watch.tap(options));
    tap.leadTo(server);
    return tap.address;
  };
}

const deps = { clock: systemClock, random: systemRandom, log: silentLog };

async function areIdle(nodes: readonly RunningNode[]): Promise<boolean> {
  const statuses = await Promise.all(nodes.map((node) => node.status()));
  return statuses.every(({ counts }) => Object.values(counts).every((count) => count === 0));
}

function startTheAuthority(
  folder: string,
  { epoch, nodes, log = silentLog }: { epoch: string; nodes: number; log: Log | undefined },
): Promise<RunningAuthority> {
  const config = parseAuthorityConfig({
    name: 'authority.test',
    data_dir: join(folder, 'authority.test'),
    listen: '127.0.0.1:0',
    epoch,
    bootstrap: { nodes },
    max_nodes: nodes,
  });
  return startAuthority(config, { ...deps, log });
}

async function startHosts(stack: AsyncDisposableStack): Promise<[MailHost, MailHost]> {
  const mailboxesB = [
    { name: 'bob', password: 'of bob' },
    { name: 'bartholomew', password: 'of bartholomew' }, // for searches: chance spells three letters now and then
    { name: 'full', password: 'of full', quota: '1B' },
  ];
  const common = { ports: { smtp: 25 }, resolver: mailServersResolver }; // DNS names no other
  const both = [
    startMailHost({
      ...common,
      domain: 'a.test',
      address: '127.0.0.11',
      mailboxes: [{ name: 'alice', password }],
    }),
    startMailHost({ ...common, domain: 'b.test', address: '127.0.0.12', mailboxes: mailboxesB }),
  ] as const;
  // They stop, as they start, at the same time: Postfix takes seconds over either.
  stack.defer(async () => {
    const hosts = await Promise.allSettled(both);
    const running = hosts.filter((host) => host.status === 'fulfilled');
    await Promise.all(running.map(({ value }) => value[Symbol.asyncDispose]()));
  });
  return Promise.all(both);
}

function addressOf(resolvers: Domains['resolvers'], asker: Asker): Endpoint {
  const unbound = resolvers.get(asker);
  if (unbound === undefined) throw new Error(`no resolver of ${asker}`);
  return unbound.address;
}

/** The records of a domain that asks for as much. */
function allow(tls: 'require' | 'prefer', records: readonly string[]): string[] {
  return records.map((line) => line.replace('tls=require', `tls=${tls}`));
}

function text({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
