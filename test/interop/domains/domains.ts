import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, parseClientConfig, pathsUnder } from '@postern/client';
import { parseAuthorityConfig, type RunningAuthority, startAuthority } from '@postern/directory';
import { spkiPin } from '@postern/mail';
import { initNode, parseNodeConfig, type RunningNode, startNode } from '@postern/node';
import { type Endpoint, readToml, silentLog, systemClock, systemRandom } from '@postern/runtime';
import { haveKnot, startKnot } from '../knot.ts';
import { haveMailHost, type MailHost, startMailHost } from '../mailhost.ts';
import type { Gateway } from '../postfix.ts';
import { haveUnbound, startUnbound } from '../unbound.ts';

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
  /** The program of `alice@a.test`, with a key of hers. */
  readonly alice: Client;
  /** What she logs in by at her gateway. */
  readonly login: { readonly user: string; readonly password: string };
  readonly authority: RunningAuthority;
  /** Another program of hers, with the same files, that knows her gateway by these keys. The one before must be done. */
  alicePinning(pins: readonly string[]): Client;
  /** What DNS says of a domain's gateway from now on. */
  publish(host: MailHost, records: readonly string[]): Promise<void>;
  /** Postfix of a.test has the route to that of b.test, and back. */
  routeAsUsual(): Promise<void>;
  /** Puts the key that the gateway of b.test has now into DNS, and makes every resolver forget the one before. */
  republish(): Promise<void>;
  /** Whether nothing is under way anywhere. */
  settled(): Promise<boolean>;
  /** Takes back that one of the others takes part; its mail exchanger stays. */
  withdraw(domain: string): Promise<void>;
}

export interface DomainsOptions {
  /** Length of the directory's epochs. */
  readonly epoch?: string;
  /** How long what the domains publish is remembered, in seconds. */
  readonly ttl?: number;
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

export async function startDomains({
  epoch = '1h',
  ttl = 3_600,
  unlisted = false,
  others = [],
}: DomainsOptions = {}): Promise<Domains> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'postern-domains-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const authority = stack.use(await startTheAuthority(folder, epoch, mixNames.length + (unlisted ? 1 : 2)));
  const [hostA, hostB] = await startHosts(stack);

  const makeNode = nodesIn(folder, authority);
  const mixes = await Promise.all(mixNames.map((name) => makeNode({ name, roles: ['mix'] })));
  const gateA = await makeNode({
    name: 'gate.a.test',
    roles: ['delivery', 'submission'],
    delivery: { domain: 'a.test', lmtp: text(hostA.lmtp) },
    submission: {
      listen: '127.0.0.1:0',
      imap: { at: text(hostA.account('alice').server), pin: hostA.pin },
      relay: { at: text(hostA.relay.prefer), pin: hostA.pin },
    },
  });
  const makeNodeB = unlisted ? nodesIn(folder, await anotherAuthority(stack, folder)) : makeNode;
  const gateB = await makeNodeB({
    name: 'gate.b.test',
    roles: ['delivery'],
    delivery: { domain: 'b.test', lmtp: text(hostB.lmtp) },
  });

  const recordsOf = async (domain: string): Promise<string[]> => {
    const maildir = join(folder, domain, '{local}');
    const node = { name: `gate.${domain}`, roles: ['delivery' as const] };
    const made = await makeNode({ ...node, delivery: { domain, maildir, mailboxes: ['carol'] } });
    return made.records(`${domain}.zone`);
  };
  const exchangersOf = ({ smtp, pin }: MailHost): Exchanger => ({ address: smtp.host, pin });
  const dns = await startDns(stack, ttl, [
    {
      domain: 'a.test',
      ...exchangersOf(hostA),
      records: await gateA.records('a.test.zone', 'a.test.dkim.zone'),
    },
    { domain: 'b.test', ...exchangersOf(hostB), records: await gateB.records('b.test.zone') },
    ...(await Promise.all(
      others.map(async ({ domain, exchanger, silent }) => {
        const records = await recordsOf(domain);
        return { domain, address: exchanger, pin: hostA.pin, silent, records };
      }),
    )),
  ]);
  const start = async (made: MadeNode): Promise<RunningNode> => stack.use(await made.start(dns.nodes));
  const nodes = await Promise.all([gateA, gateB, ...mixes].map(start));
  const [nodeA, nodeB, ...mixNodes] = nodes as [RunningNode, RunningNode, ...RunningNode[]];
  await Promise.all(nodes.filter((node) => !unlisted || node !== nodeB).map(({ ready }) => ready));
  const a = { host: hostA, gateway: await gatewayOf(nodeA, gateA) };
  const b = { host: hostB, gateway: await gatewayOf(nodeB, gateB) };

  const programs = stack.use(new AsyncDisposableStack());
  const aliceOf = (pins: readonly string[]): Client =>
    programs.use(clientOf(folder, { authority, resolver: dns.author, gateway: a.gateway, pins }));
  const alice = aliceOf([a.gateway.at.pin]);
  await alice.keys.generate('alice@a.test', { noPassphrase: true });

  const routeAsUsual = async (): Promise<void> => {
    await hostA.postfix.route({ gateway: a.gateway.at, routes: { 'b.test': hostB.smtp } });
    await hostB.postfix.route({ gateway: b.gateway.at, routes: { 'a.test': hostA.smtp } });
  };
  await routeAsUsual();
  const started = stack.move();
  return {
    a,
    b,
    authority,
    mixes: mixNodes,
    alice,
    alicePinning: aliceOf,
    publish: dns.publish,
    login: { user: 'alice@a.test', password },
    routeAsUsual,
    withdraw: dns.withdraw,
    republish: async () => {
      await dns.publish(hostB, await gateB.records('b.test.zone'));
      await dns.forget();
    },
    settled: async () => {
      if (!(await areIdle(nodes))) return false;
      const queues = await Promise.all([hostA, hostB].map(({ postfix }) => postfix.queue()));
      // Once more: what was in a queue at the first look may have come to a node since.
      return queues.flat().length === 0 && areIdle(nodes);
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

const password = 'of alice';
const deps = { clock: systemClock, random: systemRandom, log: silentLog };

async function areIdle(nodes: readonly RunningNode[]): Promise<boolean> {
  const statuses = await Promise.all(nodes.map((node) => node.status()));
  return statuses.every(({ counts }) => Object.values(counts).every((count) => count === 0));
}

function startTheAuthority(folder: string, epoch: string, nodes: number): Promise<RunningAuthority> {
  const config = parseAuthorityConfig({
    name: 'authority.test',
    data_dir: join(folder, 'authority'),
    listen: '127.0.0.1:0',
    epoch,
    bootstrap: { nodes },
  });
  return startAuthority(config, deps);
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
  readonly configPath: string;
  /** The lines of files that stand in its data directory. */
  records(...files: string[]): Promise<string[]>;
  start(resolver: Endpoint): Promise<RunningNode>;
}

function nodesIn(folder: string, { url, vkey }: RunningAuthority) {
  return async (node: Pick<NewNode, 'name' | 'roles' | 'delivery' | 'submission'>): Promise<MadeNode> => {
    const dataDir = join(folder, node.name);
    const configPath = join(folder, `${node.name}.toml`);
    const here = { listen: '127.0.0.1:0', advertise: '127.0.0.1:0' };
    await initNode(
      { ...node, ...here, configPath, dataDir, directoryUrls: [url], authorities: [vkey] },
      deps,
    );
    return {
      configPath,
      certificate: join(dataDir, 'tls.crt'),
      records: async (...files) => {
        const zones = await Promise.all(files.map((file) => readFile(join(dataDir, file), 'utf8')));
        return zones.flatMap((zone) => zone.trim().split('\n'));
      },
      start: async (resolver) => {
        const fields = (await readToml(configPath)) as object;
        const config = parseNodeConfig({ ...fields, data_dir: dataDir, dns: { resolver: text(resolver) } });
        return startNode(config, deps);
      },
    };
  };
}

async function gatewayOf(node: RunningNode, { certificate, configPath }: MadeNode): Promise<DomainGateway> {
  const pin = spkiPin(await readFile(certificate, 'utf8'));
  return { node, certificate, configPath, at: { ...node.smtp, pin } };
}

interface Exchanger {
  readonly address: string;
  /** Of its key, hex. */
  readonly pin: string;
}

interface ZoneOf extends Exchanger {
  readonly domain: string;
  /** What its gateway says of it. */
  readonly records: readonly string[];
  readonly silent?: boolean | undefined;
}

interface Dns {
  /** Where the author's program asks. */
  readonly author: Endpoint;
  readonly nodes: Endpoint;
  withdraw(domain: string): Promise<void>;
  publish(host: MailHost, records: readonly string[]): Promise<void>;
  /** Nobody remembers what DNS said before. */
  forget(): Promise<void>;
}

/** A signed tree with the domains' records, where it is asked, and how they are changed. */
async function startDns(stack: AsyncDisposableStack, ttl: number, domains: readonly ZoneOf[]): Promise<Dns> {
  const exchange = ({ address, pin }: Exchanger): string[] => [
    '@ MX 10 mx',
    `mx A ${address}`,
    `_25._tcp.mx TLSA 3 1 1 ${pin}`,
  ];
  const recordsOf = (one: Exchanger, records: readonly string[]): string[] => [
    `$TTL ${ttl}`,
    ...records,
    ...exchange(one),
  ];
  const zones = domains.map((one) => ({ name: one.domain, records: recordsOf(one, one.records) }));
  const knot = stack.use(await startKnot({ zones: [{ name: '.' }, { name: 'test' }, ...zones] }));
  const stubs = knot.zones.map((zone) => ({ zone, address: knot.address }));
  const author = stack.use(await startUnbound({ root: knot.anchors, stubs }));
  const silent = domains.filter((one) => one.silent).map(({ domain }) => domain);
  const nobody = silent.length === 0 ? knot.address : await startSilence(stack);
  const forNodes = stubs.map((stub) => (silent.includes(stub.zone) ? { ...stub, address: nobody } : stub));
  const nodes = stack.use(await startUnbound({ root: knot.anchors, stubs: forNodes }));
  return {
    author: author.address,
    nodes: nodes.address,
    publish: ({ domain, smtp, pin }, records) =>
      knot.change(domain, recordsOf({ address: smtp.host, pin }, records)),
    forget: async () => {
      await Promise.all([author.flush(), nodes.flush()]);
    },
    async withdraw(domain) {
      const one = domains.find((each) => each.domain === domain);
      if (one === undefined) throw new Error(`${domain} is no domain here`);
      await knot.change(domain, recordsOf(one, []));
      await nodes.flush();
    },
  };
}

/** A name server that takes questions and never answers. */
async function startSilence(stack: AsyncDisposableStack): Promise<Endpoint> {
  const socket = createSocket('udp4');
  stack.defer(() => socket[Symbol.asyncDispose]());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { host: '127.0.0.1', port: socket.address().port };
}

function clientOf(
  folder: string,
  {
    authority,
    resolver,
    gateway,
    pins,
  }: {
    authority: RunningAuthority;
    resolver: Endpoint;
    gateway: DomainGateway;
    pins: readonly string[];
  },
): Client {
  const [submission] = gateway.node.submissions;
  if (submission === undefined) throw new Error('the gateway takes no submissions');
  const config = parseClientConfig({
    mailbox: 'alice@a.test',
    directory: { urls: [authority.url], authorities: [authority.vkey] },
    dns: { resolver: text(resolver) },
    send: { mean_delay: '20ms' },
    submission: { server: text(submission), tls: 'starttls', pin: pins },
  });
  return createClient({ paths: pathsUnder(join(folder, 'alice')), config, password: async () => password });
}

function text({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
