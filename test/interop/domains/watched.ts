import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client } from '@postern/client';
import { createLog, readControl } from '@postern/runtime';
import {
  type Cast,
  createEvidence,
  createLookout,
  createRecorder,
  createSnapshots,
  type Evidence,
  type ResolverNames,
  readAtRest,
  type ServerNames,
  type Snapshots,
  startTap,
  type Tap,
  type Watched,
  type Way,
} from '@postern/testkit';
import { until } from '../debian.ts';
import type { MailHost } from '../mailhost.ts';
import type { Postfix } from '../postfix.ts';
import { type Asker, mailServersResolver } from './domain-dns.ts';
import { authorsAddress, type Domains, homeOf, password, startDomains, type Watch } from './domains.ts';
import { startProvider } from './provider.ts';

/** Two domains with an adversary on every wire, beside every process, and at every disk again and again. */
export interface WatchedDomains extends AsyncDisposable {
  readonly domains: Domains;
  /** Whoever writes, with a key, and where what comes back to them lies. */
  readonly author: { readonly mailbox: string; readonly program: Client; readonly host: MailHost };
  /** Taps on the wires to the authority. */
  readonly directory: Tap;
  /** Looks at every disk; what lay there as it does now before the message is nothing that the message left. */
  look(): Promise<void>;
  /** Has a Postfix keep what it would hand on by these of its transports, and by no others, from now on. */
  holdBack(host: MailHost, transports: readonly Transport[]): Promise<void>;
  /** Looks at a Postfix's queue, deferred and on hold, once as much waits as `count`; then what waited goes on, but by these. */
  lookAtQueue(host: MailHost, count: number, stillBack?: readonly Transport[]): Promise<void>;
  /** Whether nothing is under way anywhere. */
  settled(): Promise<boolean>;
  /** Everything that anybody has or had since the start. */
  gather(cast: Cast): Promise<Evidence>;
}

/** By which Postfix hands on: `smtp` to the domain's gateway and what comes from its own customers, the others what its gateway sends. */
export type Transport = 'smtp' | 'optional' | 'verified';

export const mixNames: readonly string[] = ['mix1.test', 'mix2.test', 'mix3.test'];
export const authorityName = 'authority.test';
export const nameServer = 'knot';
export const serversOf = (domain: string): ServerNames => ({
  gateway: `gate.${domain}`,
  mail: `mx.${domain}`,
  mailboxes: `dovecot.${domain}`,
});
/** By who asks it. */
const resolverOf = (asker: Asker): string => `resolver of ${asker}`;
export const resolverNames: ResolverNames = {
  author: resolverOf('alice'),
  authorsGateway: resolverOf('gate.a.test'),
  recipientsGateway: resolverOf('gate.b.test'),
  mailServers: resolverOf('mail servers'),
  mixes: resolverOf('mixes'),
};

/** The domains that this way needs. From an account writes a customer of a third one, beside which a.test has nothing to do. */
export async function startWatchedDomains({ by, listed }: Way): Promise<WatchedDomains> {
  const taps: Tap[] = [];
  const logs = new Map<string, string[]>();
  const recorder = createRecorder();
  const snapshots = createSnapshots();
  const queued = new Map<string, Buffer[]>();
  let folder = '';
  const hold = createLookout(snapshots, (name) => watchedAt(folder, name));
  const watch: Watch = {
    async tap(options) {
      const tap = await startTap({ ...options, hold });
      taps.push(tap);
      return tap;
    },
    log(name) {
      const lines: string[] = [];
      logs.set(name, lines);
      return createLog({ name, level: 'debug', destination: { write: (line) => void lines.push(line) } });
    },
    record: (name, sender) => recorder.record(name, sender),
  };
  await using stack = new AsyncDisposableStack();
  const account = by === 'account';
  const domains = stack.use(
    await startDomains({
      watch,
      smarthost: by === 'smarthost',
      unlisted: !listed,
      mixesOnPort25: account,
      // No provider promises that mail servers behind its own use TLS.
      tls: account ? 'prefer' : 'require',
    }),
  );
  ({ folder } = domains);
  const author = account
    ? await startCustomer(domains, watch, stack)
    : { mailbox: 'alice@a.test', program: domains.alice, host: domains.a.host };
  const hosts = [...new Set([author.host, domains.a.host, domains.b.host])].map((host) => ({
    host,
    names: serversOf(host.domain),
  }));
  const nodes = [domains.a.gateway.node, domains.b.gateway.node, ...domains.mixes];
  const nodeNames = ['gate.a.test', 'gate.b.test', ...mixNames];
  const folders = [
    ...[...nodeNames, authorityName].map((owner) => ({ owner, folder: join(folder, owner) })),
    ...hosts.flatMap(({ host, names }) => [
      { owner: names.mail, folder: host.postfix.folder },
      { owner: names.mailboxes, folder: host.dovecot.folder },
    ]),
    { owner: author.mailbox, folder: homeOf(folder, author.mailbox) },
    { owner: 'reader', folder: join(folder, 'reader') },
  ];
  const look = async (): Promise<void> => {
    for (const { owner, folder: place } of folders) await snapshots.take(owner, place);
  };
  await look();
  const before = snapshots.taken.length;
  // As it starts, each says in its log which servers it was configured to ask.
  const startedWith = new Map<string, number>();
  for (const [asker, resolver] of domains.resolvers) startedWith.set(asker, (await resolver.log()).length);

  const started = stack.move();
  return {
    domains,
    author,
    directory: named(taps, authorityName),
    look,
    holdBack: ({ postfix }, transports) => defer(postfix, transports),
    async lookAtQueue({ domain, postfix }, count, stillBack = []) {
      const { mail } = serversOf(domain);
      await until(async () => {
        const queue = await postfix.queue();
        return queue.length >= count && queue.every(({ queue_name }) => queue_name === 'deferred');
      });
      await snapshots.take(mail, postfix.folder);
      await postsuper(postfix, '-h');
      await snapshots.take(mail, postfix.folder);
      queued.set(mail, [...(queued.get(mail) ?? []), ...(await messagesIn(postfix))]);
      await defer(postfix, stillBack);
      await postsuper(postfix, '-H');
      await postfix.flush();
    },
    settled: async () => (await author.host.postfix.queue()).length === 0 && (await domains.settled()),
    async gather(cast) {
      await look();
      const evidence = createEvidence();
      addSnapshots(evidence, snapshots, before, cast);
      for (const [name, lines] of logs)
        evidence.add({ ...whose(cast, name), how: 'log', where: 'log', bytes: Buffer.from(lines.join('')) });
      for (const [at, node] of nodes.entries()) {
        const name = nodeNames[at] ?? '';
        const of = whose(cast, name);
        const data = join(folder, name, 'data');
        const told = [
          await readControl(join(data, 'control.sock'), '/metrics'),
          JSON.stringify(await node.status()),
        ];
        evidence.add({
          ...of,
          how: 'metrics',
          where: 'metrics and status',
          bytes: Buffer.from(told.join('\n')),
        });
        for await (const { path, bytes } of readAtRest(data))
          evidence.add({
            ...of,
            how: 'at rest',
            part: 'left',
            where: `${path.slice(folder.length + 1)} at the end`,
            bytes,
          });
      }
      for await (const { path, bytes } of readAtRest(join(folder, authorityName)))
        evidence.add({
          ...whose(cast, authorityName),
          how: 'at rest',
          where: path.slice(folder.length + 1),
          bytes,
        });
      for (const { host, names } of hosts) {
        const log = Buffer.from(await host.postfix.log());
        evidence.add({ ...whose(cast, names.mail), how: 'log', where: 'log', bytes: log });
      }
      const { authority } = domains;
      evidence.add({
        ...whose(cast, authorityName),
        how: 'metrics',
        where: 'metrics and status',
        bytes: Buffer.from(`${authority.metrics()}${JSON.stringify(authority.status())}`),
      });
      for (const [mail, messages] of queued)
        for (const bytes of messages) {
          evidence.add({ ...whose(cast, mail), how: 'at rest', part: 'queue', where: 'queue', bytes });
          // As it hands it on.
          const taker = takerFrom(mail, cast);
          if (taker !== undefined)
            evidence.add({
              ...whose(cast, taker),
              how: 'received',
              part: 'message',
              where: `queue of ${mail}`,
              bytes,
            });
        }
      for (const [asker, resolver] of domains.resolvers) {
        const log = (await resolver.log()).slice(startedWith.get(asker));
        const of = whose(cast, resolverOf(asker));
        evidence.add({ ...of, how: 'log', where: 'query log', bytes: Buffer.from(log) });
        evidence.add({ ...of, how: 'at rest', where: 'cache', bytes: Buffer.from(await resolver.cached()) });
        const asked = log.split('\n').filter((line) => line.includes(' info: sending query: '));
        evidence.add({
          ...whose(cast, nameServer),
          how: 'received',
          where: asker,
          bytes: Buffer.from(asked.join('\n')),
        });
      }
      for (const tap of taps) addConnections(evidence, tap, cast);
      for (const sending of recorder.sendings) {
        const taker = taps.find(
          ({ address }) => address.port === sending.peer.port && address.host === sending.peer.host,
        );
        if (taker !== undefined) evidence.addSending(sending, taker.name, cast);
      }
      return evidence;
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** Someone with an account at a provider, whose program is connected to the provider's mail server by way of a tap. */
async function startCustomer(domains: Domains, watch: Watch, stack: AsyncDisposableStack) {
  const customer = { name: 'adelaide', password };
  const domain = 'p.test';
  const provider = stack.use(
    await startProvider({ domain, address: '127.0.0.13', customer, resolver: mailServersResolver }),
  );
  const tap = stack.use(await watch.tap({ name: serversOf(domain).mail, from: authorsAddress }));
  tap.leadTo(provider.submission);
  const mailbox = `${customer.name}@${domain}`;
  const submission = { kind: 'account', server: tap.address, pin: [provider.host.pin] } as const;
  const program = domains.programOf(mailbox, submission);
  await program.keys.generate(mailbox, { noPassphrase: true });
  return { mailbox, program, host: provider.host };
}

/** To whom a mail server hands what it has on hold, if that is not another mail server. */
function takerFrom(mail: string, { author, hops: [first] }: Cast): string | undefined {
  if (mail === 'mx.b.test') return 'gate.b.test';
  return mail === serversOf(author.domain).mail ? first[0] : undefined;
}

function whose(cast: Cast, owner: string) {
  return { party: cast.nodeParty(owner), owner } as const;
}

function watchedAt(folder: string, name: string): Watched | undefined {
  const at = join(folder, name);
  if (mixNames.includes(name)) return { role: 'mix', folder: at };
  if (name === 'gate.a.test') return { role: 'submission', folder: at };
  return name === 'gate.b.test' ? { role: 'delivery', folder: at } : undefined;
}

/** What lies there since the message, and did not before. */
function addSnapshots(evidence: Evidence, { taken }: Snapshots, before: number, cast: Cast): void {
  for (const piece of taken.slice(before)) {
    if (piece.owner === cast.author.mailbox) evidence.add({ party: 'author', ...piece });
    else if (piece.owner === 'reader') evidence.add({ party: 'recipient', ...piece });
    else evidence.add({ party: cast.nodeParty(piece.owner), ...piece });
  }
}

function addConnections(evidence: Evidence, { name, connections }: Tap, cast: Cast): void {
  for (const connection of connections) {
    const client = bytesOf(connection.chunks, 'in');
    if (name === authorityName) evidence.addDirectoryConnection(connection);
    // IMAP has no EHLO, and is TLS from its first byte on.
    else if (client[0] === 0x16)
      for (const bytes of [client, bytesOf(connection.chunks, 'out')])
        evidence.add({
          party: "wire: author's gateway to mailbox host",
          owner: name,
          how: 'wire',
          where: 'IMAP',
          bytes,
        });
    else evidence.addConnection(connection, cast);
  }
}

function bytesOf(chunks: Tap['connections'][number]['chunks'], direction: 'in' | 'out'): Buffer {
  return Buffer.concat(chunks.filter((chunk) => chunk.direction === direction).map(({ bytes }) => bytes));
}

function named(taps: readonly Tap[], name: string): Tap {
  const tap = taps.find((one) => one.name === name);
  if (tap === undefined) throw new Error(`nobody stands before ${name}`);
  return tap;
}

const run = promisify(execFile);

/** What is for these transports waits, for no attempt is made. */
function defer(postfix: Postfix, transports: readonly Transport[]): Promise<void> {
  return postfix.set({ defer_transports: transports.join(', ') });
}

async function postsuper({ folder }: Postfix, what: '-h' | '-H'): Promise<void> {
  await run('/usr/sbin/postsuper', ['-c', join(folder, 'etc'), what, 'ALL']);
}

/** Everything on hold, as `postcat` prints it: in the queue's file each line stands apart. */
async function messagesIn({ folder }: Postfix): Promise<Buffer[]> {
  const messages: Buffer[] = [];
  for await (const { path } of readAtRest(join(folder, 'spool', 'hold'))) {
    if (path.endsWith('/hold')) continue;
    const how = { encoding: 'buffer', maxBuffer: 64 * 1_024 * 1_024 } as const;
    messages.push((await run('/usr/sbin/postcat', ['-c', join(folder, 'etc'), path], how)).stdout);
  }
  return messages;
}

/** Everything that a node keeps in its journal has come to its database, and the journal has been cut. */
export async function journalsCut(folder: string): Promise<void> {
  for (const name of ['gate.a.test', 'gate.b.test', ...mixNames]) {
    const journal = join(folder, name, 'data', 'spool.sqlite-wal');
    await until(async () => (await readFile(journal).catch(() => Buffer.alloc(0))).length === 0);
  }
}
