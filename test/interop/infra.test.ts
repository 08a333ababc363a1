import { execFileSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { spkiPin } from '@postern/mail';
import { testAuthority } from '@postern/protocol/testing';
import { nodeArguments } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { ours } from '../e2e/command.ts';
import { openFolder } from './debian.ts';
import { havePostfix } from './postfix.ts';

const infra = (path: string): Promise<string> =>
  readFile(new URL(`../../infra/${path}`, import.meta.url), 'utf8');
const files = [
  ...['main.cf', 'master.cf', 'transport', 'tls_policy', 'relay_senders', 'command_filter', 'mailboxes'].map(
    (name) => `postfix/${name}`,
  ),
  'dovecot/dovecot.conf',
];

describe('the page about the mail server beside a gateway', () => {
  test('names every name to fill in, and no other', async () => {
    const namesIn = (text: string): string[] => [...text.matchAll(/@([A-Z_]+)@/g)].map(([name]) => name);
    const used = new Set((await Promise.all(files.map(infra))).flatMap(namesIn));
    expect([...new Set(namesIn(await infra('README.md')))].sort()).toEqual([...used].sort());
  });

  test('has the command that prints the fingerprint', async () => {
    const line = /^postern-node (tls pin .*)$/m.exec(await infra('README.md'))?.[1] ?? '';
    const folder = await openFolder('fingerprint');
    const config = join(folder, 'node.toml');
    const init = 'init --name gate.b.test --role mix --directory-url http://127.0.0.1:1';
    const authority = ['--authority', testAuthority('authority.test').vkey, '--config', config];
    expect(await ours('postern-node', [...init.split(' '), ...authority])).toMatchObject({ code: 0 });
    const args = line.replace('/etc/postern/node.toml', config).split(' ');
    const { stdout } = await ours('postern-node', args);
    const cert = await readFile(join(folder, 'node-data', 'tls.crt'), 'utf8');
    expect(stdout.toString().trim().replaceAll(':', '')).toBe(spkiPin(cert));
    expect(stdout.toString()).toMatch(/^(?:[0-9a-f]{2}:){31}[0-9a-f]{2}\n$/);
    await rm(folder, { recursive: true });
  });
});

test('a node is started with the same flags by its own first line, by its unit and by the testnet', async () => {
  const bin = await readFile(new URL('../../packages/node/bin/postern-node.js', import.meta.url), 'utf8');
  const flags = /^#!\/usr\/bin\/env -S node (.+)$/m.exec(bin)?.[1]?.split(' ') ?? [];
  expect(flags).toHaveLength(2);
  const unit = await infra('systemd/postern-node.service');
  expect(/^ExecStart=\S+\/node ((?:--\S+ )+)\//m.exec(unit)?.[1]?.trim().split(' ')).toEqual(flags);
  expect(nodeArguments('postern-node').slice(0, flags.length)).toEqual(flags);
});

describe.skipIf(!havePostfix)('the filter of commands', () => {
  const rcpt = 'RCPT TO:<secure@b.test>';
  const filtered = (command: string): string => {
    const table = new URL('../../infra/postfix/command_filter', import.meta.url);
    const args = ['-q', command, `regexp:${table.pathname}`];
    return execFileSync('/usr/sbin/postmap', args, { encoding: 'utf8' }).trimEnd();
  };

  test.each([
    ['', ' NOTIFY=FAILURE'],
    [' NOTIFY=SUCCESS,DELAY', ' NOTIFY=FAILURE'],
    [' NOTIFY=SUCCESS ORCPT=rfc822;a@a.test', ' ORCPT=rfc822;a@a.test NOTIFY=FAILURE'],
    [' NOTIFY=NEVER', ' NOTIFY=NEVER'],
    [' notify=never ORCPT=rfc822;a@a.test', ' ORCPT=rfc822;a@a.test notify=never'],
    // Postfix refuses what follows.
    [' NOTIFY=NEVER NOTIFY=NEVER', ' NOTIFY=NEVER NOTIFY=NEVER'],
    [' NOTIFY=NEVER NOTIFY=SUCCESS', ' NOTIFY=SUCCESS NOTIFY=NEVER'],
    [' NOTIFY=NEVER,SUCCESS', ' NOTIFY=NEVER,SUCCESS'],
  ])('makes of %j %j', (asked, made) => {
    expect(filtered(`${rcpt}${asked}`)).toBe(`${rcpt}${made}`);
  });

  test.each([
    ['\x0bRCPT TO:<secure@b.test> NOTIFY=SUCCESS', '\x0bRCPT TO:<secure@b.test> NOTIFY=FAILURE'],
    ['\frcpt\tto: secure@b.test\x0bnotify=success', '\frcpt\tto: secure@b.test NOTIFY=FAILURE'],
    // What is within `<>` is the address, whatever it holds.
    ['RCPT TO:<"a> \\" NOTIFY=NEVER"@b.test>', 'RCPT TO:<"a> \\" NOTIFY=NEVER"@b.test> NOTIFY=FAILURE'],
    [
      'RCPT TO:<a@b.test ( NOTIFY=NEVER )> NOTIFY=DELAY',
      'RCPT TO:<a@b.test ( NOTIFY=NEVER )> NOTIFY=FAILURE',
    ],
    [
      'RCPT TO:<a@b.test (" NOTIFY=NEVER" "> NOTIFY=DELAY x=" )>',
      'RCPT TO:<a@b.test (" NOTIFY=NEVER" "> NOTIFY=DELAY x=" )> NOTIFY=FAILURE',
    ],
  ])('makes of the command %j %j', (asked, made) => {
    expect(filtered(asked)).toBe(made);
  });

  test.each([
    `${rcpt} NOTIFY=SUCCESS,DELAY ORCPT=rfc822;"x NOTIFY=NEVER`,
    `${rcpt} NOTIFY=SUCCESS,DELAY ORCPT=rfc822;"x NOTIFY=y`,
    `${rcpt} NOTIFY=SUCCESS,DELAY ORCPT=rfc822;<x NOTIFY=NEVER`,
    `${rcpt} NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x\\ NOTIFY=NEVER`,
    `${rcpt} ORCPT=rfc822;x\\`,
    `\x0b${rcpt} NOTIFY=SUCCESS ORCPT=rfc822;"x NOTIFY=NEVER`,
    'RCPT TO:<"secure@b.test> NOTIFY=SUCCESS',
    'RCPT TO:<secure@b.test\\> NOTIFY=SUCCESS',
    'RCPT TO:"secure NOTIFY=NEVER"@b.test NOTIFY=SUCCESS',
    'RCPT TO:<secure@b.test',
  ])('leaves of %j what Postfix refuses', (command) => {
    expect(filtered(command)).toBe('RCPT');
  });
});
