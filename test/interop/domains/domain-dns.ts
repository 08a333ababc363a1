import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Endpoint } from '@postern/runtime';
import { startKnot } from '../knot.ts';
import { startUnbound, type Unbound } from '../unbound.ts';

export interface ZoneOf {
  readonly domain: string;
  /** Address of its mail exchanger, on port 25. */
  readonly exchanger: string;
  /** Of the exchanger's key, hex. */
  readonly pin: string;
  /** What its gateway says of it. */
  readonly records: readonly string[];
  /** Its name servers answer the author, and never a node. */
  readonly silent?: boolean | undefined;
}

/** A signed tree with the domains' records, and for each who asks a resolver of their own. */
export interface DomainDns {
  readonly resolvers: ReadonlyMap<Asker, Unbound>;
  /** What the domain's gateway says from now on. */
  publish(domain: string, records: readonly string[]): Promise<void>;
  /** No resolver remembers what was said before. */
  forget(): Promise<void>;
}

const askers = ['alice', 'gate.a.test', 'gate.b.test', 'mixes', 'mail servers'] as const;
export type Asker = (typeof askers)[number];

/** Where mail servers ask, on port 53 like all. */
export const mailServersResolver = '127.0.0.53';

export interface DomainDnsOptions {
  /** How long answers are remembered, in seconds; that a name is not there, for 300 at most. */
  readonly ttl: number;
  /** Addresses of hosts below `test`, by their names. */
  readonly hosts: Readonly<Record<string, string>>;
}

export async function startDomainDns(
  stack: AsyncDisposableStack,
  { ttl, hosts }: DomainDnsOptions,
  domains: readonly ZoneOf[],
): Promise<DomainDns> {
  const recordsOf = ({ exchanger, pin }: ZoneOf, records: readonly string[]): string[] => [
    `$TTL ${ttl}`,
    ...records,
    '@ MX 10 mx',
    `mx A ${exchanger}`,
    `_25._tcp.mx TLSA 3 1 1 ${pin}`,
  ];
  const zones = domains.map((one) => ({
    name: one.domain,
    records: recordsOf(one, one.records),
    negativeTtl: Math.min(ttl, 300),
  }));
  const records = Object.entries(hosts).map(([name, address]) => `${name}. A ${address}`);
  const knot = stack.use(await startKnot({ zones: [{ name: '.' }, { name: 'test', records }, ...zones] }));
  const stubs = knot.zones.map((zone) => ({ zone, address: knot.address }));
  const silent = new Set(domains.filter((one) => one.silent).map(({ domain }) => domain));
  const nobody = silent.size === 0 ? knot.address : await startSilence(stack);
  const forNodes = stubs.map((stub) => (silent.has(stub.zone) ? { ...stub, address: nobody } : stub));
  const started = askers.map(async (asker) => {
    const listen = asker === 'mail servers' ? { host: mailServersResolver, port: 53 } : undefined;
    const known = asker === 'alice' ? stubs : forNodes;
    const unbound = await startUnbound({ root: knot.anchors, stubs: known, ...(listen && { listen }) });
    return [asker, stack.use(unbound)] as const;
  });
  const resolvers = new Map(await Promise.all(started));
  return {
    resolvers,
    publish: async (domain, records) => {
      const one = domains.find((each) => each.domain === domain);
      if (one === undefined) throw new Error(`${domain} is no domain here`);
      await knot.change(domain, recordsOf(one, records));
    },
    forget: async () => {
      await Promise.all([...resolvers.values()].map((unbound) => unbound.flush()));
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
