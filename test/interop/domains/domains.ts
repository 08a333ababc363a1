import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, parseClientConfig, pathsUnder } from '@postern/client';
import { parseAuthorityConfig, type RunningAuthority, startAuthority } from '@postern/directory';
import { spkiPin } from '@postern/mail';
import { initNode, parseNodeConfig, type RunningNode, startNode } from '@postern/node';
import { type Clock, type Endpoint, readToml, silentLog, systemClock, systemRandom } from '@postern/runtime';
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
  /** Each domain's Postfix hands what is for `secure` to the gateway. */
  routeAsUsual(): Promise<void>;
  /** Whether nothing is under way anywhere. */
  settled(): Promise<boolean>;
}

export interface DomainsOptions {
  /** Whether the gateway of a.test hands over to Postfix, or connects to other domains' exchangers itself. */
  readonly smarthost?: boolean;
  /** Where DNS says that the mail server of b.test is, on port 25, in place of its own address. */
  readonly exchanger?: string;
  /** What the record of b.test asks for. */
  readonly tls?: 'require' | 'prefer';
  /** Of the gateway of a.test. */
  readonly clock?: Clock;
}

export const haveDomains: boolean = haveMailHost && haveKnot && haveUnbound;

const mixNames = ['mix1.test', 'mix2.test', 'mix3.test'];

export async function startDomains(options: DomainsOptions = {}): Promise<Domains> {
  const { smarthost = true, exchanger, tls = 'require', clock = systemClock } = options;
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'postern-domains-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const authority = stack.use(await startTheAuthority(folder));
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
      ...(smarthost && {
        smarthost: { require: text(hostA.relay.require), prefer: text(hostA.relay.prefer), pin: hostA.pin },
      }),
    },
  });
  const gateB = await makeNode({
    name: 'gate.b.test',
    roles: ['delivery'],
    delivery: { domain: 'b.test', lmtp: text(hostB.lmtp) },
  });

  const resolver = await startDns(stack, [
    { host: hostA, records: await gateA.records('a.test.zone', 'a.test.dkim.zone') },
    { host: hostB, records: allow(tls, await gateB.records('b.test.zone')), exchanger },
  ]);
  const start = async (made: MadeNode): Promise<RunningNode> =>
    stack.use(await made.start(resolver, made === gateA ? clock : systemClock));
  const nodes = await Promise.all([gateA, gateB, ...mixes].map(start));
  const [nodeA, nodeB, ...mixNodes] = nodes as [RunningNode, RunningNode, ...RunningNode[]];
  await Promise.all(nodes.map(({ ready }) => ready));
  const a = { host: hostA, gateway: await gatewayOf(nodeA, gateA) };
  const b = { host: hostB, gateway: await gatewayOf(nodeB, gateB) };

  const alice = stack.use(clientOf(folder, { authority, resolver, gateway: a.gateway }));
  await alice.keys.generate('alice@a.test', { noPassphrase: true });

  const routeAsUsual = async (): Promise<void> => {
    await hostA.postfix.route({ gateway: a.gateway.at });
    await hostB.postfix.route({ gateway: b.gateway.at });
  };
  await routeAsUsual();
  const started = stack.move();
  return {
    a,
    b,
    mixes: mixNodes,
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

const password = 'of alice';
/** Postfix asks on port 53 alone. */
const dns = { host: '127.0.0.53', port: 53 };
const deps = { clock: systemClock, random: systemRandom, log: silentLog };

async function areIdle(nodes: readonly RunningNode[]): Promise<boolean> {
  const statuses = await Promise.all(nodes.map((node) => node.status()));
  return statuses.every(({ counts }) => Object.values(counts).every((count) => count === 0));
}

function startTheAuthority(folder: string): Promise<RunningAuthority> {
  const config = parseAuthorityConfig({
    name: 'authority.test',
    data_dir: join(folder, 'authority'),
    listen: '127.0.0.1:0',
    epoch: '1h',
    bootstrap: { nodes: mixNames.length + 2 },
  });
  return startAuthority(config, deps);
}

async function startHosts(stack: AsyncDisposableStack): Promise<[MailHost, MailHost]> {
  const mailboxesB = [
    { name: 'bob', password: 'of bob' },
    { name: 'bartholomew', password: 'of bartholomew' }, // for searches: chance spells three letters now and then
    { name: 'full', password: 'of full', quota: '1B' },
  ];
  const common = { ports: { smtp: 25 }, resolver: dns.host }; // DNS names no other
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

type NewNode = Parameters<typeof initNode>[0];

/** A node whose keys and records are there before it runs. */
interface MadeNode {
  readonly certificate: string;
  /** The lines of files that stand in its data directory. */
  records(...files: string[]): Promise<string[]>;
  start(resolver: Endpoint, clock: Clock): Promise<RunningNode>;
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
      certificate: join(dataDir, 'tls.crt'),
      records: async (...files) => {
        const zones = await Promise.all(files.map((file) => readFile(join(dataDir, file), 'utf8')));
        return zones.flatMap((zone) => zone.trim().split('\n'));
      },
      start: async (resolver, clock) => {
        const fields = (await readToml(configPath)) as { smtp: object };
        const config = parseNodeConfig({
          ...fields,
          data_dir: dataDir,
          smtp: { ...fields.smtp, allow_private: true },
          dns: { resolver: text(resolver) },
        });
        return startNode(config, { ...deps, clock });
      },
    };
  };
}

async function gatewayOf(node: RunningNode, { certificate }: MadeNode): Promise<DomainGateway> {
  const pin = spkiPin(await readFile(certificate, 'utf8'));
  return { node, certificate, at: { ...node.smtp, pin } };
}

interface ZoneOf {
  readonly host: MailHost;
  /** What its gateway says of it. */
  readonly records: readonly string[];
  readonly exchanger?: string | undefined;
}

/** The records of a domain that asks for as much. */
function allow(tls: 'require' | 'prefer', records: readonly string[]): string[] {
  return records.map((line) => line.replace('tls=require', `tls=${tls}`));
}

/** A signed tree with the domains' records; where it is asked. */
async function startDns(stack: AsyncDisposableStack, domains: readonly ZoneOf[]): Promise<Endpoint> {
  const zones = domains.map(({ host: { domain, smtp, pin }, records, exchanger = smtp.host }) => ({
    name: domain,
    records: [...records, '@ MX 10 mx', `mx A ${exchanger}`, `_25._tcp.mx TLSA 3 1 1 ${pin}`],
  }));
  const knot = stack.use(await startKnot({ zones: [{ name: '.' }, { name: 'test' }, ...zones] }));
  const stubs = knot.zones.map((zone) => ({ zone, address: knot.address }));
  return stack.use(await startUnbound({ root: knot.anchors, stubs, listen: dns })).address;
}

function clientOf(
  folder: string,
  {
    authority,
    resolver,
    gateway,
  }: { authority: RunningAuthority; resolver: Endpoint; gateway: DomainGateway },
): Client {
  const [submission] = gateway.node.submissions;
  if (submission === undefined) throw new Error('the gateway takes no submissions');
  const config = parseClientConfig({
    mailbox: 'alice@a.test',
    directory: { urls: [authority.url], authorities: [authority.vkey] },
    dns: { resolver: text(resolver) },
    send: { mean_delay: '20ms' },
    submission: { server: text(submission), tls: 'starttls', pin: gateway.at.pin },
  });
  return createClient({ paths: pathsUnder(join(folder, 'alice')), config, password: async () => password });
}

function text({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
