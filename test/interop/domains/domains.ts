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
  /** Of the gateway of a.test. */
  readonly clock?: Clock;
  /** The gateway of b.test is in no consensus of the mixes: it keeps to a directory of its own. */
  readonly unlisted?: boolean;
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

const mixNames = ['mix1.test', 'mix2.test', 'mix3.test'];

export async function startDomains(options: DomainsOptions = {}): Promise<Domains> {
  const { watch, epoch = '1h', ttl = 3_600, smarthost = true, tls = 'require' } = options;
  const { clock = systemClock, unlisted = false, others = [] } = options;
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

  const makeNode = nodesIn(folder, { url, vkey: authority.vkey, watch, stack });
  const mixes = await Promise.all(mixNames.map((name) => makeNode({ name, roles: ['mix'] })));
  const relayTo = async (at: Endpoint): Promise<string> => text(await wireTo({ name: 'mx.a.test' }, at));
  const gateA = await makeNode({
    name: 'gate.a.test',
    roles: ['delivery', 'submission'],
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
  const makeNodeB = unlisted
    ? nodesIn(folder, { ...(await anotherAuthority(stack, folder)), watch, stack })
    : makeNode;
  const gateB = await makeNodeB({
    name: 'gate.b.test',
    roles: ['delivery'],
    delivery: { domain: 'b.test', lmtp: text(await wireTo({ name: 'dovecot.b.test' }, hostB.lmtp)) },
  });

  const recordsOfOther = async (domain: string): Promise<string[]> => {
    const maildir = join(folder, domain, '{local}');
    const node = { name: `gate.${domain}`, roles: ['delivery' as const] };
    const made = await makeNode({ ...node, delivery: { domain, maildir, mailboxes: ['carol'] } });
    return made.records(`${domain}.zone`);
  };
  const recordsOfB = async (): Promise<string[]> => allow(tls, await gateB.records('b.test.zone'));
  const { resolvers, publish, forget } = await startDomainDns(stack, ttl, [
    {
      domain: 'a.test',
      exchanger: exchangerA.host,
      pin: hostA.pin,
      records: await gateA.records('a.test.zone', 'a.test.dkim.zone'),
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
  const start = async (made: MadeNode, asker: Asker): Promise<RunningNode> =>
    stack.use(await made.start(addressOf(resolvers, asker), made === gateA ? clock : systemClock));
  const nodes = await Promise.all([
    start(gateA, 'gate.a.test'),
    start(gateB, 'gate.b.test'),
    ...mixes.map((mix) => start(mix, 'mixes')),
  ]);
  const [nodeA, nodeB, ...mixNodes] = nodes as [RunningNode, RunningNode, ...RunningNode[]];
  await Promise.all(nodes.filter((node) => !unlisted || node !== nodeB).map(({ ready }) => ready));
  const a = { host: hostA, gateway: await gatewayOf(nodeA, gateA) };
  const b = { host: hostB, gateway: await gatewayOf(nodeB, gateB) };

  const [submission] = nodeA.submissions;
  if (submission === undefined) throw new Error('the gateway takes no submissions');
  const server = await wireTo({ name: 'gate.a.test', from: authorsAddress }, submission);
  const programs = stack.use(new AsyncDisposableStack());
  const alicePinning = (pins: readonly string[]): Client => {
    const config = parseClientConfig({
      mailbox: 'alice@a.test',
      directory: { urls: [url], authorities: [authority.vkey] },
      dns: { resolver: text(addressOf(resolvers, 'alice')) },
      send: { mean_delay: '20ms' },
      submission: { server: text(server), tls: 'starttls', pin: pins },
    });
    const plain = programs.use(createSmtpSender({ ehloName: config.ehlo }));
    return programs.use(
      createClient({
        paths: pathsUnder(join(folder, 'alice')),
        config,
        password: async () => password,
        ...(watch && { sender: watch.record('alice@a.test', plain) }),
      }),
    );
  };
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

/** Gives where to connect to a server: itself, or who stands before it. */
function wires(watch: Watch | undefined, stack: AsyncDisposableStack) {
  return async (options: Parameters<Watch['tap']>[0], server: Endpoint): Promise<Endpoint> => {
    if (watch === undefined) return server;
    const tap = stack.use(await watch.tap(options));
    tap.leadTo(server);
    return tap.address;
  };
}

const password = 'of alice';
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
  });
  return startAuthority(config, { ...deps, log });
}

/** One that knows nobody of the mixes, and never has nodes enough for a consensus. */
async function anotherAuthority(stack: AsyncDisposableStack, folder: string): Promise<RunningAuthority> {
  const data_dir = join(folder, 'another-authority');
  const config = parseAuthorityConfig({ name: 'another.test', data_dir, listen: '127.0.0.1:0', epoch: '1h' });
  return stack.use(await startAuthority(config, deps));
}

async function startHosts(stack: AsyncDisposableStack): Promise<[MailHost, MailHost]> {
  const mailboxesB = [
    { name: 'bob', password: 'of bob' },
    { name: 'bartholomew', password: 'of bartholomew' }, // for searches: chance spells three letters now and then
    { name: 'full', password: 'of full', quota: '1B' },
  ];
  const common = { ports: { smtp: 25 }, resolver: mailServersResolver }; // DNS names no other
  const a = await startMailHost({
    ...common,
    domain: 'a.test',
    address: '127.0.0.11',
    mailboxes: [{ name: 'alice', password }],
  });
  stack.use(a);
  const b = await startMailHost({
    ...common,
    domain: 'b.test',
    address: '127.0.0.12',
    mailboxes: mailboxesB,
  });
  stack.use(b);
  return [a, b];
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
