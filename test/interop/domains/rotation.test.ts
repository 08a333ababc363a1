import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Client, SendMode } from '@postern/client';
import { spkiPin } from '@postern/mail';
import { type Endpoint, silentLog } from '@postern/runtime';
import { startTap, writeLetter } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ours } from '../../e2e/command.ts';
import { until } from '../debian.ts';
import { type GnuPg, haveGnuPg, startGnuPg } from '../gnupg.ts';
import { type Domain, type Domains, haveDomains, startDomains, type Watch } from './domains.ts';

const letters = 200;
const tenth = letters / 10;
const secondsRemembered = 2;

/** Every key that a domain has is changed while its authors write, as docs/operations/keys.md says. */
describe.skipIf(!haveDomains || !haveGnuPg)('keys are changed while messages are on their way', () => {
  const stack = new AsyncDisposableStack();
  const weir = createWeir('gate.b.test');
  let domains: Domains;
  let gpg: GnuPg;

  beforeAll(async () => {
    gpg = stack.use(startGnuPg());
    domains = stack.use(await startDomains({ epoch: '6s', ttl: secondsRemembered, watch: weir.watch }));
    const key = gpg.makeKey('bob <bob@b.test>');
    await domains.alice.keys.import(gpg.run(['--export', key]).stdout);
    gpg.run(['--import'], await domains.alice.keys.export('alice@a.test'));
  });
  afterAll(() => stack.disposeAsync());

  test(`all of ${letters} arrive once, and each can be read`, async () => {
    const { a, b } = domains;
    const began = performance.now();
    const gateways = [a, b].map(({ gateway }) => gateway);
    const before = gateways.map(({ at }) => at.pin);
    const selectorsBefore = await selectors(a);
    const author = createAuthor(b);

    // Everything is as it was.
    await author.write(3 * tenth, domains.alice);
    await until(() => domains.settled());
    const oldKeys = author.sealedFor();
    expect(oldKeys.size).toBe(1);
    expect(await Promise.all(gateways.map(({ at, node }) => shownBy({ ...at, ...node.smtp })))).toEqual(
      before,
    );

    // From here on whatever goes direct waits in the author's mail server; what goes through mixes waits in them, across the domain's key.
    await a.host.postfix.set({ defer_transports: 'verified' });
    await author.write(tenth, domains.alice, 'direct');
    await until(async () => (await deferred(a)) === tenth);
    weir.close();
    await author.write(tenth, domains.alice, 'mix');
    await until(() => areInMixes(domains, tenth));
    await run(a, 'dkim', 'rotate', '--in', '0s');
    await publish(domains, a);
    await run(b, 'domain', 'rotate');
    await until(async () => (await b.gateway.node.status()).domainKeys.length === 2);
    const renewed = (await b.gateway.node.status()).domainKeys[0]?.toLowerCase() ?? '';
    await publish(domains, b);
    await until(async () => (await recordOf(domains.alice, b)) === renewed);
    expect(await areInMixes(domains, tenth)).toBe(true);
    weir.open();
    await until(async () => !(await areInMixes(domains, 1)));

    // The next TLS keys are made, and whoever wrote the present ones down writes down these too.
    const next = await Promise.all([a, b].map(nextCertificate));
    for (const [at, { host, gateway }] of [a, b].entries())
      await host.postfix.route({ gateway: { ...gateway.at, otherPin: next[at] ?? '' } });
    const alice = domains.alicePinning([before[0] ?? '', next[0] ?? '']);
    await until(() => bothNamed(alice));

    // Across these too letters wait in mixes, and others follow one another until everything has changed.
    weir.close();
    const shown = (): Promise<string[]> =>
      Promise.all(gateways.map(({ at, node }) => shownBy({ ...at, ...node.smtp })));
    await author.write(tenth, alice, 'mix');
    await until(() => areInMixes(domains, tenth));
    expect(await shown()).toEqual(before);
    const changed = until(async () => (await phasesOf(domains)).every((phases) => phases === 'shown before'));
    let switched = false;
    changed.then(
      () => {
        switched = true;
      },
      () => undefined, // it is awaited below
    );
    let underWay = 0;
    while (!switched && underWay < 2 * tenth) {
      await author.write(1, alice);
      underWay += 1;
    }
    await changed;
    expect(await shown()).toEqual(next);
    expect(await areInMixes(domains, tenth)).toBe(true);
    weir.open();
    expect(await deferred(a)).toBeGreaterThanOrEqual(tenth);
    await until(async () => (await selectors(a))[0] !== selectorsBefore[0]);
    await a.host.postfix.set({ defer_transports: '' });
    await until(async () => {
      await a.host.postfix.flush();
      return domains.settled();
    });

    // Nobody takes the keys of before any more.
    for (const [at, { host, gateway }] of [a, b].entries())
      await host.postfix.route({ gateway: { ...gateway.at, pin: next[at] ?? '' } });
    const records = (await zoneOf(a)).filter(
      (line) => !selectorsBefore.some((selector) => line.startsWith(selector)),
    );
    await domains.publish(a.host.domain, records);
    await everybodyKnows(domains, next);
    await author.write(letters - author.written(), domains.alicePinning([next[0] ?? '']));
    await until(() => domains.settled());

    const mails = await b.host.dovecot.take('bob');
    const opened = mails.map((mail) => {
      const { stdout, stderr } = gpg.run(['--status-fd', '2', '--decrypt'], mail);
      expect(stderr).toMatch(/^\[GNUPG:\] GOODSIG /m);
      return bodyOf(stdout);
    });
    const read = opened.map((body) => author.bodies().findIndex((each) => each.equals(body)));
    expect(read.sort((one, other) => one - other)).toEqual(author.bodies().map((_, at) => at));
    // The recipient's gateway knew whose the direct ones are by the old keys and by the new.
    const attested = mails.filter((mail) =>
      /^Authentication-Results: b\.test; dkim=pass header\.d=a\.test/m.test(String(mail)),
    );
    expect(attested).toHaveLength(author.direct());
    expect(author.sealedFor().size).toBe(2);
    expect([...author.sealedFor()].reverse()).toEqual(
      (await b.gateway.node.status()).domainKeys.map((fingerprint) => fingerprint.toLowerCase()),
    );
    expect(await phasesOf(domains)).toEqual(['shown before', 'shown before']);
    const refused = await Promise.all(gateways.map(async ({ node }) => (await node.status()).counters));
    for (const { unwrapped, forwarded } of refused)
      expect([unwrapped.refused ?? 0, forwarded.untrusted ?? 0]).toEqual([0, 0]);
    const seconds = ((performance.now() - began) / 1_000).toFixed(0);
    console.log(
      `${letters} letters, ${underWay} of them while the keys changed, read: ${opened.length}; ${seconds} s`,
    );
  }, 240_000);
});

/** Writes to bob, by turns direct and through mixes unless told otherwise. */
function createAuthor(operator: Domain) {
  const bodies: Buffer[] = [];
  const sealedFor = new Set<string>();
  const modes = ['direct', 'mix'] as const satisfies SendMode[];
  let direct = 0;
  return {
    written: () => bodies.length,
    /** How many of them by mail servers alone. */
    direct: () => direct,
    bodies: () => bodies,
    /** Fingerprints of the domain's keys that were used, in the order in which they came. */
    sealedFor: () => sealedFor,
    async write(count: number, alice: Client, always?: (typeof modes)[number]): Promise<void> {
      for (let left = count; left > 0; left -= 1) {
        const seed = `letter ${bodies.length}`;
        const { message } = writeLetter({
          from: 'alice@a.test',
          to: ['bob@b.test'],
          date: new Date(),
          attachmentBytes: 10,
          seed,
        });
        const mode = always ?? (modes[bodies.length % 2] as SendMode);
        direct += mode === 'direct' ? 1 : 0;
        bodies.push(bodyOf(message));
        sealedFor.add(await recordOf(alice, operator));
        const outcome = await alice.send(message, { mode });
        expect(outcome).toMatchObject({ kind: 'sent', pending: 0 });
      }
    },
  };
}

/** Fingerprint of the key that the author's program seals for now. Another key is taken if it is what the operator says. */
async function recordOf(alice: Client, operator: Domain): Promise<string> {
  const found = await alice.domains.lookup('b.test');
  if (found.kind === 'changed') {
    const [fingerprint] = (await operator.gateway.node.status()).domainKeys;
    return (await alice.domains.accept('b.test', fingerprint)).fingerprint;
  }
  if (found.kind !== 'record') throw new Error(found.kind);
  return found.record.fingerprint;
}

/** Stands before the node of this name: while it is closed, whoever connects there hears nothing and waits. */
function createWeir(name: string) {
  let closed: PromiseWithResolvers<void> | undefined;
  const watch: Watch = {
    tap: (options) =>
      startTap({
        ...options,
        keep: false,
        hold: (connection) => (connection.name === name ? closed?.promise : undefined),
      }),
    log: () => silentLog,
    record: (_name, sender) => sender,
  };
  return {
    watch,
    close() {
      closed = Promise.withResolvers();
    },
    open() {
      closed?.resolve();
      closed = undefined;
    },
  };
}

/** How many messages a domain's mail server has put off. */
async function deferred({ host }: Domain): Promise<number> {
  return (await host.postfix.queue()).filter(({ queue_name }) => queue_name === 'deferred').length;
}

/** Whether at least so many packets wait in mixes. */
async function areInMixes({ mixes }: Domains, count: number): Promise<boolean> {
  const statuses = await Promise.all(mixes.map((mix) => mix.status()));
  return statuses.reduce((sum, { counts }) => sum + counts.relays, 0) >= count;
}

/** Of the TLS keys of each gateway, the one that is shown first. */
async function phasesOf({ a, b }: Domains): Promise<string[]> {
  const statuses = await Promise.all([a, b].map(({ gateway }) => gateway.node.status()));
  return statuses.map(({ tlsKeys }) => tlsKeys.map(({ phase }) => phase).join(' '));
}

/** Whether the consensus names the present and the next TLS key of both gateways. */
async function bothNamed(alice: Client): Promise<boolean> {
  const { consensus } = await alice.route();
  const gateways = consensus.nodes.filter(({ name }) => name.startsWith('gate.'));
  return gateways.length === 2 && gateways.every(({ tlsPins }) => tlsPins.length === 2);
}

/** A command of the gateway's operator; gives what it prints. */
async function run({ gateway }: Domain, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ours('postern-node', [...args, '--config', gateway.configPath]);
  if (code !== 0) throw new Error(stderr);
  return stdout.toString().trim();
}

async function nextCertificate(domain: Domain): Promise<string> {
  const path = await run(domain, 'tls', 'rotate', '--in', '0s');
  const { stdout } = await promisify(execFile)('/usr/bin/openssl', ['x509', '-in', path]);
  return spkiPin(stdout);
}

/** What the gateway says that its zone has to say, without what the mail server in front of it answers for. */
async function zoneOf(domain: Domain): Promise<string[]> {
  const lines = (await run(domain, 'dns', 'zone')).split('\n');
  return lines.filter((line) => /^\S*_(?:securemail|openpgpkey|domainkey)\./.test(line));
}

async function publish(domains: Domains, domain: Domain): Promise<void> {
  await domains.publish(domain.host.domain, await zoneOf(domain));
}

/** Where the keys that sign lie in the zone, those in force first. */
async function selectors(domain: Domain): Promise<string[]> {
  const lines = (await zoneOf(domain)).filter((line) => line.includes('._domainkey.'));
  return lines.map((line) => line.split(' ')[0] ?? '');
}

/** Hex SHA-256 of the key that a server shows now. */
async function shownBy({ host, port }: Endpoint): Promise<string> {
  const asked = promisify(execFile)('/usr/bin/openssl', [
    's_client',
    '-starttls',
    'smtp',
    '-connect',
    `${host}:${port}`,
  ]);
  asked.child.stdin?.end();
  return spkiPin((await asked).stdout);
}

/** Waits until every node goes by a consensus that names these keys first. */
async function everybodyKnows({ a, b, mixes, alice }: Domains, pins: readonly string[]): Promise<void> {
  let epoch = Number.POSITIVE_INFINITY;
  await until(async () => {
    const { consensus } = await alice.route();
    const first = ['gate.a.test', 'gate.b.test'].map(
      (name) => consensus.nodes.find((node) => node.name === name)?.tlsPins[0],
    );
    if (first.join() === pins.join()) epoch = consensus.epoch;
    return Number.isFinite(epoch);
  });
  const nodes = [a.gateway.node, b.gateway.node, ...mixes];
  await until(async () => {
    const statuses = await Promise.all(nodes.map((node) => node.status()));
    return statuses.every(({ consensus }) => (consensus?.epoch ?? 0) >= epoch);
  });
}

function bodyOf(message: Buffer): Buffer {
  return message.subarray(message.indexOf('\r\n\r\n') + 4);
}
