import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, parseClientConfig, pathsUnder } from '@postern/client';
import { parseAuthorityConfig, type RunningAuthority, startAuthority } from '@postern/directory';
import { createSmtpSender, type SmtpSender, spkiPin } from '@postern/mail';
import { initNode, parseNodeConfig, type RunningNode, startNode } from '@postern/node';
import { type Endpoint, type Log, readToml, silentLog, systemClock, systemRandom } from '@postern/runtime';
import type { Tap, TapOptions } from '@postern/testkit';
import { haveKnot, startKnot } from '../knot.ts';
import { haveMailHost, type MailHost, startMailHost } from '../mailhost.ts';
import type { Gateway } from '../postfix.ts';
import { haveUnbound, startUnbound, type Unbound } from '../unbound.ts';

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
  /** Each one's own, by who asks it: `alice`, `gate.a.test`, `gate.b.test`, `mixes`. */
  readonly resolvers: ReadonlyMap<string, Unbound>;
  /** Holds a folder of each node, by its name, with `data` in it; the authority's; and that of alice's program. */
  readonly folder: string;
  /** The program of `alice@a.test`, with a key of hers. */
  readonly alice: Client;
  /** What she logs in by at her gateway. */
  readonly login: { readonly user: string; readonly password: string };
  /** Postfix of a.test has the route to that of b.test, and back. */
  routeAsUsual(): Promise<void>;
  /** Whether nothing is under way anywhere. */
  settled(): Promise<boolean>;
}

export const haveDomains: boolean = haveMailHost && haveKnot && haveUnbound;

const mixNames = ['mix1.test', 'mix2.test', 'mix3.test'];

export async function startDomains(watch?: Watch): Promise<Domains> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'postern-domains-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const wireTo = wires(watch, stack);
  const authority = stack.use(await startTheAuthority(folder, watch?.log('authority.test')));
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
      relay: { at: text(await wireTo({ name: 'mx.a.test' }, hostA.relay.prefer)), pin: hostA.pin },
    },
  });
  const gateB = await makeNode({
    name: 'gate.b.test',
    roles: ['delivery'],
    delivery: { domain: 'b.test', lmtp: text(await wireTo({ name: 'dovecot.b.test' }, hostB.lmtp)) },
  });

  const resolvers = await startDns(stack, [
    { host: hostA, exchanger: exchangerA, records: await gateA.records('a.test.zone', 'a.test.dkim.zone') },
    { host: hostB, exchanger: exchangerB, records: await gateB.records('b.test.zone') },
  ]);
  const addressOf = (asker: string): Endpoint => resolvers.get(asker)?.address ?? { host: '', port: 0 };
  const start = async (made: MadeNode, asker: string): Promise<RunningNode> =>
    stack.use(await made.start(addressOf(asker)));
  const nodes = await Promise.all([
    start(gateA, 'gate.a.test'),
    start(gateB, 'gate.b.test'),
    ...mixes.map((mix) => start(mix, 'mixes')),
  ]);
  const [nodeA, nodeB, ...mixNodes] = nodes as [RunningNode, RunningNode, ...RunningNode[]];
  await Promise.all(nodes.map(({ ready }) => ready));
  const a = { host: hostA, gateway: await gatewayOf(nodeA, gateA) };
  const b = { host: hostB, gateway: await gatewayOf(nodeB, gateB) };

  const [submission] = nodeA.submissions;
  if (submission === undefined) throw new Error('the gateway takes no submissions');
  const server = await wireTo({ name: 'gate.a.test', from: authorsAddress }, submission);
  const config = parseClientConfig({
    mailbox: 'alice@a.test',
    directory: { urls: [url], authorities: [authority.vkey] },
    dns: { resolver: text(addressOf('alice')) },
    send: { mean_delay: '20ms' },
    submission: { server: text(server), tls: 'starttls', pin: a.gateway.at.pin },
  });
  const plain = stack.use(createSmtpSender({ ehloName: config.ehlo }));
  const alice = stack.use(
    createClient({
      paths: pathsUnder(join(folder, 'alice')),
      config,
      password: async () => password,
      ...(watch && { sender: watch.record('alice@a.test', plain) }),
    }),
  );
  await alice.keys.generate('alice@a.test', { noPassphrase: true });

  const routeAsUsual = async (): Promise<void> => {
    await hostA.postfix.route({ gateway: a.gateway.at, routes: { 'b.test': exchangerB } });
    await hostB.postfix.route({ gateway: b.gateway.at, routes: { 'a.test': exchangerA } });
  };
  await routeAsUsual();
  const started = stack.move();
  return {
    a,
    b,
    mixes: mixNodes,
    authority,
    resolvers,
    folder,
    alice,
    login: { user: 'alice@a.test', password },
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

function startTheAuthority(folder: string, log: Log = silentLog): Promise<RunningAuthority> {
  const config = parseAuthorityConfig({
    name: 'authority.test',
    data_dir: join(folder, 'authority.test'),
    listen: '127.0.0.1:0',
    epoch: '1h',
    bootstrap: { nodes: mixNames.length + 2 },
  });
  return startAuthority(config, { ...deps, log });
}

async function startHosts(stack: AsyncDisposableStack): Promise<[MailHost, MailHost]> {
  const mailboxesB = [
    { name: 'bob', password: 'of bob' },
    { name: 'full', password: 'of full', quota: '1B' },
  ];
  const ports = { smtp: 25 }; // DNS names no other
  const a = await startMailHost({
    domain: 'a.test',
    address: '127.0.0.11',
    ports,
    mailboxes: [{ name: 'alice', password }],
  });
  stack.use(a);
  const b = await startMailHost({ domain: 'b.test', address: '127.0.0.12', ports, mailboxes: mailboxesB });
  stack.use(b);
  return [a, b];
}

type NewNode = Parameters<typeof initNode>[0];

/** A node whose keys and records are there before it runs. */
interface MadeNode {
  readonly certificate: string;
  /** Who stands before it. */
  readonly tap: Tap | undefined;
  /** The lines of files that stand in its data directory. */
  records(...files: string[]): Promise<string[]>;
  start(resolver: Endpoint): Promise<RunningNode>;
}

interface Surroundings {
  readonly url: string;
  readonly vkey: string;
  readonly watch: Watch | undefined;
  readonly stack: AsyncDisposableStack;
}

function nodesIn(folder: string, { url, vkey, watch, stack }: Surroundings) {
  return async (node: Pick<NewNode, 'name' | 'roles' | 'delivery' | 'submission'>): Promise<MadeNode> => {
    const { name } = node;
    const dataDir = join(folder, name, 'data');
    const configPath = join(folder, name, 'node.toml');
    const tap = watch && stack.use(await watch.tap({ name }));
    const here = { listen: '127.0.0.1:0', advertise: tap ? text(tap.address) : '127.0.0.1:0' };
    await initNode(
      { ...node, ...here, configPath, dataDir, directoryUrls: [url], authorities: [vkey] },
      deps,
    );
    return {
      certificate: join(dataDir, 'tls.crt'),
      tap,
      records: async (...files) => {
        const zones = await Promise.all(files.map((file) => readFile(join(dataDir, file), 'utf8')));
        return zones.flatMap((zone) => zone.trim().split('\n'));
      },
      start: async (resolver) => {
        const fields = (await readToml(configPath)) as object;
        const config = parseNodeConfig({ ...fields, data_dir: dataDir, dns: { resolver: text(resolver) } });
        if (watch === undefined) return startNode(config, deps);
        const sender = watch.record(name, createSmtpSender({ ehloName: config.smtp.ehlo }));
        const running = await startNode(config, { ...deps, log: watch.log(name), sender });
        tap?.leadTo({ ...running.smtp, host: '127.0.0.1' });
        return running;
      },
    };
  };
}

async function gatewayOf(node: RunningNode, { certificate, tap }: MadeNode): Promise<DomainGateway> {
  const pin = spkiPin(await readFile(certificate, 'utf8'));
  return { node, certificate, at: { ...(tap?.address ?? node.smtp), pin } };
}

interface ZoneOf {
  readonly host: MailHost;
  /** Where its exchanger is. */
  readonly exchanger: Endpoint;
  /** What its gateway says of it. */
  readonly records: readonly string[];
}

/** A signed tree with the domains' records, and for each who asks a resolver of their own. */
async function startDns(
  stack: AsyncDisposableStack,
  domains: readonly ZoneOf[],
): Promise<ReadonlyMap<string, Unbound>> {
  const zones = domains.map(({ host: { domain, pin }, exchanger, records }) => ({
    name: domain,
    records: [...records, '@ MX 10 mx', `mx A ${exchanger.host}`, `_25._tcp.mx TLSA 3 1 1 ${pin}`],
  }));
  const knot = stack.use(await startKnot({ zones: [{ name: '.' }, { name: 'test' }, ...zones] }));
  const stubs = knot.zones.map((zone) => ({ zone, address: knot.address }));
  const resolvers = new Map<string, Unbound>();
  for (const asker of ['alice', 'gate.a.test', 'gate.b.test', 'mixes'])
    resolvers.set(asker, stack.use(await startUnbound({ root: knot.anchors, stubs })));
  return resolvers;
}

function text({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
