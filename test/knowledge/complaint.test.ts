import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAuthorityConfig, startAuthority } from '@postern/directory';
import { createSmtpSender, makeCarriage, spkiPin } from '@postern/mail';
import {
  initNode,
  type NodeConfig,
  parseNodeConfig,
  type RunningNode,
  type SubmissionConfig,
  startNode,
} from '@postern/node';
import { parseZone } from '@postern/protocol/dns';
import { type Fragment, sealEnvelope } from '@postern/protocol/envelope';
import { defaultGeometry, encodeEnvelopeUnit } from '@postern/protocol/packet';
import { encodeReturnInfo } from '@postern/protocol/report';
import { readToml, silentLog, systemClock, systemRandom } from '@postern/runtime';
import type { Answer, RecordType, Resolver } from '@postern/runtime/dns';
import { storesFolder } from '@postern/runtime/testing';
import { byteFact, createSearcher, readAtRest, readMaildir, textFact, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ended, ours } from '../e2e/command.ts';

type Domain = 'a.test' | 'b.test';

/** Two domains' gateways, each the other's smarthost. What they ask DNS is answered from their own zone files. */
describe('a recipient complains of a message that came direct', () => {
  const stack = new AsyncDisposableStack();
  const deps = { clock: systemClock, random: systemRandom, log: silentLog };
  const [token, key] = [systemRandom.bytes(16), systemRandom.bytes(32)];
  const sealed = 'Subject: win\r\n\r\nunasked for\r\n';
  const zones = new Map<Domain, string>();
  const nodes = new Map<Domain, RunningNode>();
  let folder = '';

  const data = (domain: Domain): string => join(folder, domain);
  const configPath = (domain: Domain): string => join(folder, `${domain}.toml`);
  const pinOf = async (domain: Domain): Promise<string> =>
    spkiPin(await readFile(join(data(domain), 'tls.crt'), 'utf8'));
  const command = (domain: Domain, args: readonly string[], input = ''): Promise<Ended> =>
    ours('postern-node', [...args, '--config', configPath(domain)], { input: Buffer.from(input) });
  const unwrapped = async (outcome: string): Promise<number> =>
    (await nodes.get('a.test')?.status())?.counters.unwrapped[outcome] ?? 0;
  const delivered = (): Promise<{ path: string; bytes: Buffer }[]> =>
    readMaildir(join(folder, 'mail', 'bob'));

  const resolver: Resolver = {
    async resolve<T extends RecordType>(name: string, type: T): Promise<Answer<T>> {
      const records = [...zones.values()]
        .flatMap((zone) => zone.split('\n'))
        .flatMap((line) => {
          const [, owner, of, text = ''] = /^(\S+)\. IN (TXT|OPENPGPKEY) (.*)$/.exec(line) ?? [];
          if (owner !== name.replace(/\.$/, '') || of !== type) return [];
          const strings = [...text.matchAll(/"([^"]*)"/g)].map(([, string = '']) => string);
          return [of === 'TXT' ? { strings } : { certificate: new Uint8Array(Buffer.from(text, 'base64')) }];
        });
      const found = { kind: 'found', secure: true, records, ttlSeconds: 60 } as unknown as Answer<T>;
      return records.length === 0 ? { kind: 'none', secure: true, ttlSeconds: 60 } : found;
    },
  };

  async function init(domain: Domain, directory: { url: string; vkey: string }): Promise<void> {
    await initNode(
      {
        configPath: configPath(domain),
        name: `gate.${domain}`,
        dataDir: data(domain),
        roles: ['delivery', 'submission'],
        listen: '127.0.0.1:0',
        advertise: '127.0.0.1:0',
        directoryUrls: [directory.url],
        authorities: [directory.vkey],
        delivery: { domain, maildir: join(folder, 'mail', '{local}'), mailboxes: ['bob'] },
        submission: { listenTls: '127.0.0.1:0', authors: join(data(domain), 'authors') },
      },
      deps,
    );
    const { code, stdout, stderr } = await command(domain, ['dns', 'zone']);
    if (code !== 0) throw new Error(stderr);
    const lines = stdout.toString().split('\n');
    const own = lines.filter((line) => /^\S*_(?:securemail|openpgpkey|domainkey)\./.test(line));
    zones.set(domain, own.join('\n'));
  }

  async function start(domain: Domain, of: (config: NodeConfig) => NodeConfig): Promise<RunningNode> {
    const config = { ...parseNodeConfig(await readToml(configPath(domain))), dataDir: data(domain) };
    const node = await startNode(of(config), { ...deps, resolver });
    nodes.set(domain, node);
    return node;
  }

  /** What is for other domains goes to that one's gateway. */
  async function relayedBy(domain: Domain): Promise<(config: NodeConfig) => NodeConfig> {
    const at = nodes.get(domain)?.smtp ?? { host: '', port: 0 };
    const server = { ...at, tls: { kind: 'pin', pins: [await pinOf(domain)] } } as const;
    const smarthost: SubmissionConfig['smarthost'] = { require: server, prefer: server };
    return (config) => ({ ...config, submission: config.submission && { ...config.submission, smarthost } });
  }

  /** As an author's program does. */
  async function send(): Promise<void> {
    const zone = parseZone(zones.get('b.test')?.split('\n').slice(0, 2).join('\n') ?? '', Date.now() / 1_000);
    if (zone.kind !== 'record') throw new Error(zone.reason);
    const expires = (Math.floor(Date.now() / 3_600_000) + 37 * 24) * 3_600;
    const fragment: Fragment = {
      recipient: 'bob@b.test',
      setId: systemRandom.bytes(16),
      index: 0,
      k: 1,
      n: 1,
      totalBytes: sealed.length,
      expires: (Math.floor(Date.now() / 3_600_000) + 48) * 3_600,
      returnInfo: encodeReturnInfo(defaultGeometry, {
        kind: 'domain',
        domain: 'a.test',
        token,
        key,
        expires,
      }),
      attestation: new Uint8Array(),
      data: Buffer.from(sealed),
    };
    const envelope = await sealEnvelope(fragment, zone.record.certificate, defaultGeometry.payloadBytes);
    const message = makeCarriage({
      fromDomain: 'a.test',
      toDomain: 'b.test',
      bytes: encodeEnvelopeUnit(defaultGeometry, envelope, systemRandom),
      now: new Date(),
      random: (length) => systemRandom.bytes(length),
      id: Buffer.from(token).toString('hex'),
    });
    const port = nodes.get('a.test')?.submissions[0]?.port ?? 0;
    await using sender = createSmtpSender({ ehloName: 'program.test' });
    const peer = { host: '127.0.0.1', port, tlsPin: await pinOf('a.test'), implicitTls: true };
    const auth = { user: 'alice', pass: 'wonder land' };
    const result = await sender.send(
      { ...peer, auth },
      { from: 'alice@a.test', to: 'secure@b.test', message },
    );
    expect(result).toMatchObject({ kind: 'sent' });
  }

  beforeAll(async () => {
    folder = await storesFolder('complaint');
    stack.defer(() => rm(folder, { recursive: true }));
    const authority = stack.use(
      await startAuthority(
        parseAuthorityConfig({
          name: 'authority.test',
          data_dir: join(folder, 'authority'),
          listen: '127.0.0.1:0',
          bootstrap: { nodes: 1 },
        }),
        deps,
      ),
    );
    stack.defer(async () => {
      await Promise.all([...nodes.values()].map((node) => node.close()));
    });
    await Promise.all([init('a.test', authority), init('b.test', authority)]);
    await command('a.test', ['author', 'set', 'alice'], 'wonder land\n');
    const first = await start('b.test', (config) => config);
    await start('a.test', await relayedBy('b.test'));
    await first.close();
    const relayed = await relayedBy('a.test');
    await start('b.test', (config) => relayed({ ...config, smtp: { ...config.smtp, listen: first.smtp } }));
    await send();
    await until(async () => (await delivered()).length === 1, { what: 'the message is delivered' });
  }, 60_000);
  afterAll(() => stack.disposeAsync());

  test('it is delivered with a field that tells nothing', async () => {
    const [mail = { bytes: Buffer.alloc(0) }] = await delivered();
    const text = mail.bytes.toString('latin1');
    expect(text).toContain('Authentication-Results: b.test; dkim=pass header.d=a.test\r\nPostern-Return: ');
    expect(text.endsWith(`\r\n${sealed}`)).toBe(true);
    const { search } = createSearcher([
      textFact('author mailbox', 'local part', 'alice'),
      byteFact('author mailbox', 'return token', token),
      byteFact('author mailbox', 'report key', key),
    ]);
    expect(search(mail.bytes)).toEqual([]);
  });

  test('it is counted once for its author at their own gateway, whose operator alone sees it', async () => {
    const [mail = { path: '', bytes: Buffer.alloc(0) }] = await delivered();
    const made = await command('b.test', ['abuse', 'report', mail.path]);
    expect(made).toMatchObject({ code: 0, stderr: 'A complaint goes to a.test.\n' });
    await until(async () => (await unwrapped('complaint')) === 1, { what: 'a complaint counts' });
    const again = await command('b.test', ['abuse', 'report', '-'], mail.bytes.toString('latin1'));
    expect(again.code).toBe(0);
    await until(async () => (await unwrapped('known-complaint')) === 1, { what: 'the second does not' });
    const [lines, json, elsewhere] = await Promise.all([
      command('a.test', ['author', 'complaints']),
      command('a.test', ['author', 'complaints', '--json']),
      command('b.test', ['author', 'complaints']),
    ]);
    expect(lines.stdout.toString()).toMatch(/^alice@a\.test \d{4}-\d\d-\d\d 1\n$/);
    expect(JSON.parse(json.stdout.toString())).toMatchObject([{ author: 'alice@a.test', count: 1 }]);
    expect(elsewhere).toMatchObject({ code: 0, stdout: Buffer.alloc(0) });
    // The author hears nothing.
    expect(await readMaildir(join(folder, 'mail', 'alice'))).toEqual([]);
  });

  test('the recipient’s mailbox is nowhere at the author’s gateway', async () => {
    const { search } = createSearcher([
      textFact('recipient mailbox', 'mailbox', 'bob@b.test'),
      textFact('content', 'body', 'unasked for'),
    ]);
    const hits = [];
    for await (const { path, bytes } of readAtRest(data('a.test')))
      hits.push(...search(bytes).map(({ form }) => `${path} ${form}`));
    expect(hits).toEqual([]);
    const [mail = { bytes: Buffer.alloc(0) }] = await delivered();
    const there = search(mail.bytes).map(({ fact }) => fact.what);
    expect([...new Set(there)].sort()).toEqual(['body', 'mailbox']);
  });

  test('what this gateway did not write is refused, and nothing leaves', async () => {
    const [mail = { bytes: Buffer.alloc(0) }] = await delivered();
    const text = mail.bytes.toString('latin1');
    const changed = text.replace(
      /^(Postern-Return: ..)(.)/m,
      (_, head: string, one: string) => head + (one === 'A' ? 'B' : 'A'),
    );
    const given = [changed, sealed].map((one) => command('b.test', ['abuse', 'report', '-'], one));
    const [forged, bare, missing] = await Promise.all([
      ...given,
      command('b.test', ['abuse', 'report', join(folder, 'none')]),
    ]);
    const refused = (why: string) => ({ code: 65, stderr: expect.stringContaining(why) });
    expect(forged).toMatchObject(refused('no key of the domain opens'));
    expect(bare).toMatchObject(refused('has no field Postern-Return'));
    expect(missing).toMatchObject(refused('cannot be read'));
    const status = await nodes.get('b.test')?.status();
    expect(status?.counters.complained).toMatchObject({ sent: 2, unknown: 1 });
  });
});
