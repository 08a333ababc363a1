import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spkiPin } from '@postern/mail';
import { parseZone } from '@postern/protocol/dns';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promote, tlsRing } from '../src/keys/ring.ts';
import { type Ended, startCommand } from './command.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-rotate-'));
  const roles = '--role delivery submission --domain a.test --lmtp 127.0.0.1:24 --advertise mx.a.test:25';
  const directory = '--directory-url http://127.0.0.1:1 --authority authority.test+00000000+AA==';
  await run(`init --name gate.a.test ${roles} ${directory}`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (line: string): Promise<Ended> => startCommand(folder, line.split(' ')).ended;
const data = (...path: string[]): string => join(folder, 'node-data', ...path);
const zone = async (): Promise<string[]> => (await run('dns zone')).out.split('\n');
const pinOf = async (path: string): Promise<string> => spkiPin(await readFile(path, 'utf8'));

test('tls rotate makes a certificate to follow, which the zone names beside the present one; one at a time', async () => {
  const made = await run('tls rotate');
  expect(made.code).toBe(0);
  const pins = [await pinOf(data('tls.crt')), await pinOf(made.out.trim())];
  expect(pins[0]).not.toBe(pins[1]);
  expect((await run('tls pin')).out).toBe(`${pins[0]}\n`);
  expect((await run('tls pin --all')).out).toBe(`${pins.join('\n')}\n`);
  const tlsa = (await zone()).filter((line) => line.includes(' IN TLSA '));
  expect(tlsa).toEqual(pins.map((pin) => `_25._tcp.mx.a.test. IN TLSA 3 1 1 ${pin}`));
  const [, at = ''] = /next-(\d+)/.exec(made.out) ?? [];
  const days = (Number(at) - Date.now() / 1_000) / 86_400;
  expect(Math.round(days)).toBe(7);
  expect(await run('tls rotate')).toMatchObject({ code: 64, out: '', err: expect.stringContaining('next-') });

  await promote(data(), tlsRing, Math.floor(Date.now() / 1_000));
  const { out } = await run('tls pin --colons');
  expect(out).toMatch(/^(?:[0-9a-f]{2}:){31}[0-9a-f]{2}\n$/);
  expect(out.trim().replaceAll(':', '')).toBe(pins[1]);
  expect((await zone()).filter((line) => line.includes(' IN TLSA '))).toEqual(tlsa.toReversed());
  expect(await run('tls rotate')).toMatchObject({
    code: 64,
    out: '',
    err: expect.stringContaining('Try again after'),
  });
});

test('dkim rotate makes keys to follow, and the zone names all of them', async () => {
  const names = async (): Promise<string[]> =>
    (await zone()).filter((line) => line.includes('._domainkey.')).map((line) => line.split(' ')[0] ?? '');
  const before = await names();
  expect(await run('dkim rotate --in 3h')).toMatchObject({ code: 0 });
  const after = await names();
  expect(after.slice(0, 2)).toEqual(before);
  expect(new Set(after).size).toBe(4);
  expect(await run('dkim rotate --in soon')).toMatchObject({ code: 64, out: '' });
});

test('domain renew writes the record anew for the same key', async () => {
  const record = async () => {
    const parsed = parseZone(await readFile(data('a.test.zone'), 'utf8'), Date.now() / 1_000);
    if (parsed.kind !== 'record') throw new Error(parsed.reason);
    return parsed.record;
  };
  const before = await record();
  const renewed = await run('domain renew --holds 10d --tls prefer --mix no --size 1MB');
  expect(renewed).toMatchObject({ code: 0 });
  const after = await record();
  expect(after).toMatchObject({
    fingerprint: before.fingerprint,
    tls: 'prefer',
    mix: false,
    maxBytes: 1_000_000,
  });
  expect(Math.round((after.expires - Date.now() / 1_000) / 86_400)).toBe(10);
  expect(await run('domain renew')).toMatchObject({ code: 0 });
  expect(await record()).toMatchObject({ tls: 'prefer', mix: false });
  expect((await record()).expires).toBeGreaterThan(before.expires - 86_400);
});

test('the commands by which a domain takes nothing from mixes, as the page on abuse has them', async () => {
  const page = await readFile(new URL('../../../docs/operations/abuse.md', import.meta.url), 'utf8');
  const commands = [...page.matchAll(/^postern-node (domain renew .*|dns zone .*)$/gm)].map(
    ([, line]) => line,
  );
  const said = async (): Promise<string[]> =>
    (await zone())
      .filter((line) => line.startsWith('_securemail.'))
      .map((line) => /mix=\w+/.exec(line)?.[0] ?? '');
  await run('domain renew --mix yes');
  expect(await said()).toEqual(['mix=ok']);
  const outs: string[] = [];
  for (const command of commands) {
    const ended = await run((command ?? '').replace('/etc/postern/node.toml', join(folder, 'node.toml')));
    expect(ended).toMatchObject({ code: 0 });
    outs.push(ended.out);
  }
  expect(commands).toHaveLength(2);
  expect(outs.at(-1)).toMatch(/^_securemail\.a\.test\. IN TXT "v=SM1;.* mix=no;/m);
});
