import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, parseClientConfig, pathsUnder } from '@postern/client';
import { formatAuthorityKey } from '@postern/protocol/consensus';
import { certificateOwner, formatZone, makeRecord, textOwner } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import { ed25519 } from '@postern/protocol/primitives';
import type { Endpoint } from '@postern/runtime';
import { createStubResolver } from '@postern/runtime/dns';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haveKnot, type Knot, startKnot } from '../knot.ts';
import { startMeddler } from '../meddler.ts';
import { haveNamespaces } from '../namespace.ts';
import { haveUnbound, startUnbound, type Unbound } from '../unbound.ts';

/** The lines of a zone that takes part, with a key made anew. */
async function zone(domain: string): Promise<string[]> {
  const { certificate } = await generateDomainKey(domain);
  const expires = Math.floor(Date.now() / 1_000) + 30 * 86_400;
  const record = makeRecord({
    domain,
    certificate,
    tls: 'require',
    mix: true,
    maxBytes: 25_000_000,
    expires,
  });
  return formatZone(record).trim().split('\n');
}

/** What is published for one domain, put where another's would be. */
const movedTo = (lines: readonly string[], from: string, to: string): string[] =>
  lines.map((line) =>
    line.replace(textOwner(from), textOwner(to)).replace(certificateOwner(from), certificateOwner(to)),
  );

/** What the author's program makes of each kind of answer, by either way of validating it. */
describe.skipIf(!haveKnot || !haveUnbound).each(['resolver', 'in-process'] as const)(
  'the table of DNS answers, validate = "%s"',
  (validate) => {
    const stack = new AsyncDisposableStack();
    let knot: Knot;
    let unbound: Unbound;
    let folder: string;
    let published: string[];

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'postern-table-'));
      stack.defer(() => rm(folder, { recursive: true }));
      published = await zone('b.test');
      const large = await zone('large.test');
      const noise = [1, 2, 3].map(() => randomBytes(6_000).toString('base64'));
      knot = stack.use(
        await startKnot({
          zones: [
            { name: '.', signed: 'nsec' },
            { name: 'test', records: ['lame NS ns.postern.invalid.'] },
            { name: 'b.test', records: published },
            { name: 'walked.test', signed: 'nsec', records: await zone('walked.test') },
            { name: 'silent.test', records: ['@ MX 10 mx'] },
            { name: 'open.test', signed: 'opt-out', records: await zone('open.test') },
            { name: 'child.open.test', signed: 'no', records: await zone('child.open.test') },
            { name: 'unsigned.test', signed: 'no', records: await zone('unsigned.test') },
            { name: 'orphan.test', ds: 'missing', records: await zone('orphan.test') },
            { name: 'wrong.test', ds: 'wrong', records: await zone('wrong.test') },
            { name: 'expired.test', records: await zone('expired.test'), frozen: { at: 1_600_000_000 } },
            {
              name: 'bent.test',
              records: await zone('bent.test'),
              frozen: { tamper: (text) => text.replace('mix=ok', 'mix=no') },
            },
            {
              name: 'bare.test',
              records: await zone('bare.test'),
              frozen: { tamper: (text) => text.replace(/^.*\sRRSIG\s+TXT .*$/gm, '') },
            },
            {
              name: 'large.test',
              records: [
                ...large,
                ...noise.map((key) => `${certificateOwner('large.test')} OPENPGPKEY ${key}`),
              ],
            },
            { name: 'foreign.test', records: movedTo(await zone('else.test'), 'else.test', 'foreign.test') },
            {
              name: 'loop.test',
              records: [`${textOwner('loop.test')} CNAME other`, `other CNAME ${textOwner('loop.test')}`],
            },
            { name: 'wild.test', records: ['* TXT "v=spf1 -all"'] },
            { name: 'twice.test', records: [...(await zone('twice.test')), ...(await zone('twice.test'))] },
          ],
        }),
      );
      const stubs = knot.zones.map((name) => ({ zone: name, address: knot.address }));
      unbound = stack.use(await startUnbound({ root: knot.anchors, stubs }));
      await writeFile(join(folder, 'root.key'), knot.anchors);
    });
    afterAll(() => stack.disposeAsync());

    let homes = 0;
    const clientOf = (server: Endpoint = unbound.address, home = `home${++homes}`) =>
      createClient({
        paths: pathsUnder(join(folder, home)),
        config: parseClientConfig({
          mailbox: 'alice@a.test',
          directory: {
            urls: ['http://127.0.0.1:9'],
            authorities: [formatAuthorityKey('authority.test', ed25519.generate().publicKey)],
          },
          dns: {
            resolver: `${server.host}:${server.port}`,
            validate,
            trust_anchors: join(folder, 'root.key'),
          },
        }),
      });
    const check = async (domain: string, server?: Endpoint): Promise<object | undefined> => {
      await using client = clientOf(server);
      return (await client.domains.check(domain)).asked?.finding;
    };
    const takesPart = { kind: 'record', vouchedBy: 'dnssec' };
    const denied = { kind: 'does-not-take-part', secure: true };
    const temporary = (reason: string): object => ({ kind: 'temporary', reason });

    test.each<[string, string, object]>([
      ['secure and valid', 'b.test', takesPart],
      ['secure and valid, NSEC', 'walked.test', takesPart],
      ['secure and valid in a zone that opts out', 'open.test', takesPart],
      ['secure denial of the record', 'silent.test', denied],
      ['secure denial of the zone', 'nowhere.test', denied],
      ['secure denial beside a wildcard', 'wild.test', denied],
      ['unsigned zone', 'unsigned.test', { kind: 'unsigned' }],
      ['unsigned: missing DS', 'orphan.test', { kind: 'unsigned' }],
      ['unsigned child in a zone that opts out', 'child.open.test', { kind: 'unsigned' }],
      ['bogus: expired RRSIG', 'expired.test', temporary('bogus')],
      ['bogus: wrong DS', 'wrong.test', temporary('bogus')],
      ['bogus: tampered', 'bent.test', temporary('bogus')],
      ['bogus: without RRSIG', 'bare.test', temporary('bogus')],
      ['SERVFAIL', 'lame.test', temporary('servfail')],
      ['truncated: 20 KB beside the certificate', 'large.test', takesPart],
      ['two texts', 'twice.test', { kind: 'invalid', reason: 'two-texts' }],
      ['a certificate for another domain', 'foreign.test', { kind: 'invalid' }],
      ['CNAME loop', 'loop.test', { kind: 'temporary' }],
    ])('D1 %s', async (_row, domain, finding) => {
      expect(await check(domain)).toMatchObject(finding);
    });

    test('D1 time-out', async () => {
      const silent = createSocket('udp4').bind(0, '127.0.0.1');
      stack.defer(() => void silent.close());
      await once(silent, 'listening');
      expect(await check('b.test', { host: '127.0.0.1', port: silent.address().port })).toMatchObject(
        temporary('timeout'),
      );
    }, 30_000);

    test('D1 truncated, and nobody takes TCP', async () => {
      await using meddler = await startMeddler(unbound.address);
      meddler.change = (answer) => {
        const cut = Buffer.from(answer);
        cut.writeUInt16BE(cut.readUInt16BE(2) | 0x0200, 2);
        return cut;
      };
      expect(await check('b.test', meddler.address)).toMatchObject({ kind: 'temporary' });
    }, 30_000);

    test('D1 record vanished, and bogus: the last good one is kept, and nothing else is used', async () => {
      await using client = clientOf();
      expect((await client.domains.check('b.test')).asked?.finding).toMatchObject(takesPart);
      await knot.change('b.test', []);
      await unbound.flush();
      expect((await client.domains.check('b.test')).asked?.finding).toMatchObject({
        ...temporary('vanished'),
        lastGood: { record: { domain: 'b.test' } },
      });
      await knot.change('b.test', published);
      await unbound.flush();
      expect((await client.domains.check('b.test')).asked?.finding).toMatchObject(takesPart);
    });

    test('D1 another key while messages wait: told, and not taken unasked', async () => {
      await using client = clientOf();
      expect((await client.domains.check('b.test')).asked?.finding).toMatchObject(takesPart);
      await knot.change('b.test', await zone('b.test'));
      await unbound.flush();
      expect((await client.domains.check('b.test')).asked?.finding).toMatchObject({
        kind: 'changed',
        change: 'another-key',
        known: { record: { domain: 'b.test' } },
      });
      await knot.change('b.test', published);
      await unbound.flush();
    });
  },
);

describe.skipIf(!haveKnot || !haveUnbound || !haveNamespaces)('a resolver that is not on loopback', () => {
  /** Of the machine's own, and yet none of 127.0.0.0/8 (RFC 5737). */
  const beyond = '198.51.100.53';

  test('D2 its AD bit is not believed, the same one’s on loopback is', async () => {
    await using stack = new AsyncDisposableStack();
    const knot = stack.use(
      await startKnot({ zones: [{ name: '.' }, { name: 'test', records: ['x TXT "v"'] }] }),
    );
    const stubs = knot.zones.map((name) => ({ zone: name, address: knot.address }));
    const unbound = stack.use(await startUnbound({ root: knot.anchors, stubs }));
    execFileSync('/usr/sbin/ip', ['address', 'add', `${beyond}/32`, 'dev', 'lo']);
    stack.defer(() => void execFileSync('/usr/sbin/ip', ['address', 'del', `${beyond}/32`, 'dev', 'lo']));
    const far = stack.use(await startMeddler(unbound.address, beyond));
    const near = stack.use(await startMeddler(unbound.address));
    const ask = (server: Endpoint) => createStubResolver({ server }).resolve('x.test', 'TXT');
    const found = { kind: 'found', records: [{ strings: ['v'] }] };
    expect(await ask(near.address)).toMatchObject({ ...found, secure: true });
    expect(await ask(far.address)).toMatchObject({ ...found, secure: false });
    expect(far.seen).toBeGreaterThan(0);
  });
});
