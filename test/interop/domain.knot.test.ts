import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, formatClientConfig, pathsUnder } from '@postern/client';
import { certificateOwner, formatZone, makeRecord, textOwner } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import { testAuthority } from '@postern/protocol/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ended, ours } from '../e2e/command.ts';
import { haveKnot, type Knot, startKnot } from './knot.ts';
import { haveUnbound, startUnbound, type Unbound } from './unbound.ts';

/** The lines of a zone that takes part, with a key made anew. */
async function record(domain: string, { mix = true } = {}): Promise<string[]> {
  const { certificate } = await generateDomainKey(domain);
  const expires = Math.floor(Date.now() / 1000) + 30 * 86_400;
  const zone = formatZone(
    makeRecord({ domain, certificate, tls: 'require', mix, maxBytes: 25_000_000, expires }),
  );
  return zone.trim().split('\n');
}

const fingerprintIn = (lines: readonly string[]): string => /fpr=([0-9a-f]+)/.exec(lines.join())?.[1] ?? '';
const moved = (lines: readonly string[], from: string, to: string): string[] =>
  lines.map((line) => line.replace(`${from}. IN`, `${to}. IN`));

/** What an author sees of domains, over a private Internet that Knot signs. */
describe.skipIf(!haveKnot || !haveUnbound).each(['resolver', 'in-process'])(
  'domains, validate = "%s"',
  (validate) => {
    let knot: Knot;
    let unbound: Unbound;
    let home: string;
    let inOrder: string[];

    beforeAll(async () => {
      inOrder = await record('b.test');
      const hosted = await record('hosted.test');
      const rolled = await record('rolled.test');
      const [, old = ''] = await record('rolled.test');
      const bent = await record('bent.test');
      knot = await startKnot({
        zones: [
          { name: '.', signed: 'nsec' },
          { name: 'test', records: ['lame NS ns.postern.invalid.'] },
          { name: 'b.test', records: inOrder },
          { name: 'unsigned.test', signed: 'no', records: await record('unsigned.test') },
          { name: 'silent.test', records: ['@ MX 10 mx'] },
          { name: 'wild.test', records: ['* TXT "v=spf1 -all"'] },
          { name: 'expired.test', records: await record('expired.test'), frozen: { at: 1_600_000_000 } },
          { name: 'wrong.test', ds: 'wrong', records: await record('wrong.test') },
          {
            name: 'bent.test',
            records: bent,
            frozen: { tamper: (zone) => zone.replace('mix=ok', 'mix=no') },
          },
          { name: 'rolled.test', records: [...rolled, old] },
          {
            name: 'torn.test',
            records: [...(await record('torn.test')).slice(0, 1), (await record('torn.test'))[1] ?? ''],
          },
          {
            name: 'hosted.test',
            records: [
              `${textOwner('hosted.test')} CNAME text.store.test.`,
              `${certificateOwner('hosted.test')} CNAME next.store.test.`,
            ],
          },
          {
            name: 'store.test',
            records: [
              ...moved(
                moved(hosted, textOwner('hosted.test').slice(0, -1), 'text.store.test'),
                certificateOwner('hosted.test').slice(0, -1),
                'key.store.test',
              ),
              'next CNAME key',
            ],
          },
        ],
      });
      unbound = await startUnbound({
        root: knot.anchors,
        stubs: knot.zones.map((zone) => ({ zone, address: knot.address })),
      });
      home = await mkdtemp(join(tmpdir(), 'postern-domains-'));
      const { configFile } = pathsUnder(home);
      await mkdir(join(home, 'config'), { recursive: true });
      await writeFile(join(home, 'root.key'), knot.anchors);
      const config = formatClientConfig({
        mailbox: 'alice@a.test',
        urls: ['http://127.0.0.1:9'],
        authorities: [testAuthority('authority.test').vkey],
        threshold: 1,
        resolver: `${unbound.address.host}:${unbound.address.port}`,
      });
      await writeFile(
        configFile,
        config
          .replace('# validate = "resolver"', `validate = "${validate}"`)
          .replace('# trust_anchors = "iana"', `trust_anchors = "${join(home, 'root.key')}"`),
      );
    });
    afterAll(async () => {
      await unbound?.[Symbol.asyncDispose]();
      await knot?.[Symbol.asyncDispose]();
      await rm(home, { recursive: true });
    });

    const postern = (...args: string[]): Promise<Ended> =>
      ours('postern', ['--home', home, 'domain', ...args]);
    const check = async (domain: string): Promise<{ code: number | null; value: object }> => {
      const { code, stdout } = await postern('check', domain, '--json');
      return { code, value: JSON.parse(stdout.toString()) };
    };
    const publish = async (lines: readonly string[]): Promise<void> => {
      await knot.change('b.test', lines);
      await unbound.flush();
    };

    test.each<[string, string, object]>([
      ['a domain in order', 'b.test', { kind: 'record', vouchedBy: 'dnssec' }],
      ['one whose records are CNAMEs', 'hosted.test', { kind: 'record', vouchedBy: 'dnssec' }],
      ['one with two certificates', 'rolled.test', { kind: 'record', vouchedBy: 'dnssec' }],
      ['a zone without record', 'silent.test', { kind: 'does-not-take-part', secure: true }],
      ['a zone with a wildcard', 'wild.test', { kind: 'does-not-take-part', secure: true }],
      ['no zone', 'nowhere.test', { kind: 'does-not-take-part', secure: true }],
      ['an unsigned zone', 'unsigned.test', { kind: 'unsigned' }],
      [
        'a certificate that the text does not mean',
        'torn.test',
        { kind: 'invalid', reason: 'digest-mismatch' },
      ],
      ['expired signatures', 'expired.test', { kind: 'temporary', reason: 'bogus' }],
      ['another DS', 'wrong.test', { kind: 'temporary', reason: 'bogus' }],
      ['an altered record', 'bent.test', { kind: 'temporary', reason: 'bogus' }],
      ['servers that are gone', 'lame.test', { kind: 'temporary', reason: 'servfail' }],
    ])('%s', async (_what, domain, finding) => {
      await using client = createClient({ paths: pathsUnder(home) });
      expect((await client.domains.check(domain)).asked?.finding).toMatchObject(finding);
    });

    test('people read what was asked, what came, and what to do', async () => {
      const good = await postern('check', 'b.test');
      expect(good.stdout.toString()).toMatch(/TXT +1 record, proven by DNSSEC, to be kept for \d+ s\n/);
      expect(good.stdout.toString()).toContain(`key ${fingerprintIn(inOrder)}, until`);
      const bad = await postern('check', 'unsigned.test');
      expect(bad.code).toBe(65);
      expect(bad.stderr).toMatch(/the zone of unsigned\.test is not signed.*\n {2}Get its record/);
    });

    test('what was found is remembered for its owner alone, and found again without asking', async () => {
      await check('b.test');
      const file = join(pathsUnder(home).domainCache, 'b.test.json');
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect(JSON.parse(await readFile(file, 'utf8')).known.zone).toContain(fingerprintIn(inOrder));
      const list = await postern('list', '--json');
      expect(JSON.parse(list.stdout.toString())).toContainEqual(
        expect.objectContaining({
          domain: 'b.test',
          vouchedBy: 'dnssec',
          fingerprint: fingerprintIn(inOrder),
        }),
      );
    });

    test('another key waits to be accepted; a record that vanishes is no denial', async () => {
      await check('b.test');
      const other = await record('b.test');
      await publish(other);
      const fingerprint = fingerprintIn(other);
      expect(await check('b.test')).toMatchObject({
        code: 65,
        value: {
          finding: 'changed',
          change: 'another-key',
          offered: { fingerprint },
          hint: expect.stringContaining(`accept b.test ${fingerprint}`),
        },
      });
      const prefetched = await postern('prefetch', '--within', '0s', '--json');
      expect(JSON.parse(prefetched.stdout.toString()).domains).toContainEqual(
        expect.objectContaining({ domain: 'b.test', finding: 'changed' }),
      );
      expect(await postern('accept', 'b.test', '0'.repeat(40))).toMatchObject({ code: 64 });
      expect(await postern('accept', 'b.test', fingerprint)).toMatchObject({ code: 0 });
      expect(await check('b.test')).toMatchObject({ code: 0, value: { record: { fingerprint } } });
      await publish([]);
      expect(await check('b.test')).toMatchObject({
        code: 75,
        value: { finding: 'temporary', reason: 'vanished', lastGood: { fingerprint } },
      });
      await publish(other);
      expect(await check('b.test')).toMatchObject({ code: 0 });
    });
  },
);
