import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, parseClientConfig, pathsUnder } from '@postern/client';
import { certificateOwner, formatZone, makeRecord, textOwner } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import { testAuthority } from '@postern/protocol/testing';
import { type Clock, type Endpoint, systemClock } from '@postern/runtime';
import { createStubResolver } from '@postern/runtime/dns';
import { writeLetter } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haveKnot, type Knot, startKnot } from '../knot.ts';
import { startMeddler } from '../meddler.ts';
import { haveNamespaces } from '../namespace.ts';
import { haveUnbound, startUnbound, type Unbound } from '../unbound.ts';
import { hastenedClock } from './hastened.ts';

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

/** As unbound writes it down. */
function questionIn(query: Buffer): string {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = query.readUInt16BE(at + 1);
  return `${labels.join('.')}. ${typeNames[type] ?? type}`;
}

/** RFC 1035, RFC 4034, RFC 7929. */
const typeNames: Readonly<Record<number, string>> = { 16: 'TXT', 43: 'DS', 48: 'DNSKEY', 61: 'OPENPGPKEY' };

/** What the author's program makes of each kind of answer, by either way of validating it. */
describe.skipIf(!haveKnot || !haveUnbound).each(['resolver', 'in-process'] as const)(
  'D1 the table of DNS answers, validate = "%s"',
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
    const clientOf = (
      server: Endpoint = unbound.address,
      {
        home = `home${++homes}`,
        unsigned = 'refuse',
        clock = systemClock,
      }: { home?: string; unsigned?: string; clock?: Clock } = {},
    ) =>
      createClient({
        clock,
        paths: pathsUnder(join(folder, home)),
        config: parseClientConfig({
          mailbox: 'alice@a.test',
          directory: {
            urls: ['http://127.0.0.1:9'],
            authorities: [testAuthority('authority.test').vkey],
          },
          dns: {
            resolver: `${server.host}:${server.port}`,
            validate,
            trust_anchors: join(folder, 'root.key'),
            unsigned,
          },
          submission: { server: '127.0.0.1:9', pin: '00'.repeat(32) },
        }),
      });
    /** Gives who writes a key, and the certificate of each of these recipients. */
    const prepare = async ({ keys }: Client, ...recipients: string[]): Promise<void> => {
      await keys.generate('alice@a.test', { noPassphrase: true });
      for (const recipient of recipients) {
        await using theirs = clientOf();
        await theirs.keys.generate(recipient, { noPassphrase: true });
        await keys.import(Buffer.from(await theirs.keys.export(recipient)));
      }
    };
    const letterTo = (to: string): Buffer =>
      writeLetter({ from: 'alice@a.test', to: [to], date: new Date(), attachmentBytes: 10 }).message;
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
    ])('%s', async (_row, domain, finding) => {
      expect(await check(domain)).toMatchObject(finding);
    });

    test('time-out', async () => {
      const silent = createSocket('udp4').bind(0, '127.0.0.1');
      stack.defer(() => void silent.close());
      await once(silent, 'listening');
      expect(await check('b.test', { host: '127.0.0.1', port: silent.address().port })).toMatchObject(
        temporary('timeout'),
      );
    }, 30_000);

    test('truncated, and nobody takes TCP', async () => {
      await using meddler = await startMeddler(unbound.address);
      meddler.change = (answer) => {
        const cut = Buffer.from(answer);
        cut.writeUInt16BE(cut.readUInt16BE(2) | 0x0200, 2);
        return cut;
      };
      expect(await check('b.test', meddler.address)).toMatchObject({ kind: 'temporary' });
    }, 30_000);

    test('record vanished: the last good one is kept', async () => {
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

    test('unsigned, with trust on first use: taken, and said at every message', async () => {
      await using client = clientOf(unbound.address, { unsigned: 'trust-on-first-use' });
      expect((await client.domains.check('unsigned.test')).asked?.finding).toMatchObject({
        kind: 'record',
        vouchedBy: 'first-use',
      });
      await prepare(client, 'bob@unsigned.test');
      for (let message = 0; message < 2; message += 1)
        expect(await client.preview(letterTo('bob@unsigned.test'), { mode: 'direct' })).toMatchObject({
          kind: 'planned',
          recipients: [{ record: { vouchedBy: 'first-use', from: 'cache' } }],
          warnings: [
            expect.stringMatching(/^nothing vouches for the key of unsigned\.test but that it was seen/),
          ],
        });
      await using signed = clientOf();
      expect((await signed.domains.check('unsigned.test')).asked?.finding).toEqual({ kind: 'unsigned' });
    });

    describe('a domain that was written to, whose answers go wrong', () => {
      const home = 'warm';
      /** When what was found is no longer used without asking. */
      const later = hastenedClock();
      later.advance(2 * 3_600_000);

      beforeAll(async () => {
        await using client = clientOf(unbound.address, { home });
        await prepare(client, 'bob@b.test');
        await client.domains.check('b.test');
      });

      /** Nothing is sent, nothing is forgotten, and nobody is asked for anything else. */
      const expectKept = async (reason: string, server: Endpoint, asked: () => Promise<string[]>) => {
        await using early = clientOf(server, { home });
        const direct = { mode: 'direct' } as const;
        expect(await early.preview(letterTo('bob@b.test'), direct)).toMatchObject({ kind: 'planned' });
        expect(await asked()).toEqual([]);
        await using client = clientOf(server, { home, clock: later });
        const [sent, { asked: answer }] = await Promise.all([
          client.send(letterTo('bob@b.test'), direct),
          client.domains.check('b.test'),
        ]);
        expect(sent).toMatchObject({
          kind: 'refused',
          problems: [{ code: 'domain-unanswered', exitCode: 75 }],
        });
        expect(await client.outbox.list()).toEqual([]);
        expect(answer?.finding).toMatchObject({
          ...temporary(reason),
          lastGood: { record: { domain: 'b.test' }, vouchedBy: 'dnssec' },
        });
        const names = [textOwner('b.test'), certificateOwner('b.test')];
        const chain = validate === 'in-process' ? ['.', 'test.', 'b.test.'] : [];
        const questions = await asked();
        expect(questions).not.toEqual([]);
        const allowed = names.flatMap((name) => [`${name} TXT`, `${name} OPENPGPKEY`]);
        const keys = chain.flatMap((name) => [`${name} DNSKEY`, `${name} DS`]);
        expect(questions.filter((one) => ![...allowed, ...keys].includes(one))).toEqual([]);
      };

      /** A resolver that asks somebody else for b.test alone. */
      const resolverWith = async (address: Endpoint): Promise<Unbound> => {
        const addressOf = (name: string): Endpoint => (name === 'b.test' ? address : knot.address);
        return startUnbound({
          root: knot.anchors,
          stubs: knot.zones.map((name) => ({ zone: name, address: addressOf(name) })),
        });
      };
      /** What its clients asked it. */
      const askedOf = async (resolver: Unbound): Promise<string[]> =>
        [...(await resolver.log()).matchAll(/ info: 127\.0\.0\.1 (\S+) (\S+) IN$/gm)].map(
          ([, name, type]) => `${name} ${type}`,
        );

      test('bogus', async () => {
        await using other = await startKnot({
          zones: [{ name: '.' }, { name: 'test' }, { name: 'b.test', records: published }],
        });
        await using resolver = await resolverWith(other.address);
        await expectKept('bogus', resolver.address, () => askedOf(resolver));
      });

      test('SERVFAIL', async () => {
        await using failing = await startMeddler(knot.address);
        failing.change = (answer) => {
          const failed = Buffer.from(answer);
          failed.writeUInt8((failed.readUInt8(3) & 0xf0) | 2, 3);
          return failed;
        };
        await using resolver = await resolverWith(failing.address);
        await expectKept('servfail', resolver.address, () => askedOf(resolver));
      });

      test('silent', async () => {
        const questions: string[] = [];
        const silent = createSocket('udp4').bind(0, '127.0.0.1');
        stack.defer(() => void silent.close());
        silent.on('message', (query) => questions.push(questionIn(query)));
        await once(silent, 'listening');
        const server = { host: '127.0.0.1', port: silent.address().port };
        await expectKept('timeout', server, async () => questions);
      });
    });

    test('another key while messages wait: told, and not taken unasked', async () => {
      await using client = clientOf();
      await prepare(client, 'bob@b.test');
      const before = (await client.domains.check('b.test')).asked?.finding;
      expect(before).toMatchObject(takesPart);
      const direct = { mode: 'direct' } as const;
      expect(await client.preview(letterTo('bob@b.test'), direct)).toMatchObject({ kind: 'planned' });
      await knot.change('b.test', await zone('b.test'));
      await unbound.flush();
      // Again and again: asking does not take it.
      for (let time = 0; time < 2; time += 1) {
        expect((await client.domains.check('b.test')).asked?.finding).toMatchObject({
          kind: 'changed',
          change: 'another-key',
          known: { record: (before as { record: object }).record },
        });
        expect(await client.send(letterTo('bob@b.test'), direct)).toMatchObject({
          kind: 'refused',
          problems: [{ code: 'domain-changed' }],
        });
      }
      await knot.change('b.test', published);
      await unbound.flush();
    });
  },
);

describe.skipIf(!haveKnot || !haveUnbound || !haveNamespaces)('a resolver that is not on loopback', () => {
  /** Of the machine's own, and yet none of 127.0.0.0/8 (RFC 5737). */
  const beyond = '198.51.100.53';

  test('its AD bit is not believed, the same one’s on loopback is', async () => {
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
