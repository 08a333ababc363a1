import { writeFile } from 'node:fs/promises';
import { testAuthority } from '@postern/protocol/testing';
import { ConfigError } from '@postern/runtime';
import { describe, expect, test } from 'vitest';
import { formatClientConfig, parseClientConfig, readClientConfig } from './config.ts';
import { pathsUnder, xdgPaths } from './paths.ts';

const authority = testAuthority('authority.test').vkey;
const least = {
  mailbox: 'alice@A.test',
  directory: { urls: ['http://127.0.0.1:1'], authorities: [authority], threshold: 1 },
};

function mistakes(input: unknown): string[] {
  try {
    parseClientConfig(input, 'config.toml');
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.mistakes.map(({ path, message }) => `${path} ${message}`);
  }
}

describe('configuration', () => {
  test('what is not said has its default', () => {
    expect(parseClientConfig(least)).toEqual({
      ...least,
      mailbox: 'alice@a.test',
      ehlo: 'a.test',
      keys: { lookup: 'ask', order: ['dns', 'wkd', 'keyring'] },
      dns: { resolver: 'system', validate: 'resolver', trustAnchors: 'iana', unsigned: 'refuse' },
      route: { include: [], exclude: [] },
      send: {
        timeoutMs: 300_000,
        expiryMs: 432_000_000,
        connections: 4,
        sentCopy: true,
        mode: 'mix',
        tls: 'require',
      },
    });
  });

  test('what is said counts', () => {
    const send = { timeout: '10s', expiry: '30d', connections: 2, mean_delay: '2s', sent_copy: false };
    const config = parseClientConfig({
      ...least,
      ehlo: 'mail.a.test',
      route: { exclude: ['m1.test'] },
      send,
    });
    expect(config).toMatchObject({
      ehlo: 'mail.a.test',
      route: { include: [], exclude: ['m1.test'] },
      send: {
        timeoutMs: 10_000,
        expiryMs: 2_592_000_000,
        connections: 2,
        meanDelayMs: 2000,
        sentCopy: false,
      },
    });
  });

  test('an expiry is one of three, that nobody be known by theirs', () => {
    for (const expiry of ['1d', '24h', '5d', '30d']) {
      expect(parseClientConfig({ ...least, send: { expiry } }).send.expiryMs % 86_400_000).toBe(0);
    }
    for (const expiry of ['1h', '23h', '2d', '121h', '31d']) {
      expect(mistakes({ ...least, send: { expiry } })).toEqual([
        expect.stringMatching(/^send\.expiry is "1d", "5d" or "30d"/),
      ]);
    }
  });

  test('all mistakes are told at once, each with its place and what would be right', () => {
    const told = mistakes({
      mailbox: 'alice',
      mailbx: 'alice@a.test',
      directory: { urls: ['ftp://x'], authorities: ['nonsense'], threshold: 2 },
      route: { excluded: [] },
      send: { timeout: 5, connections: 99, mean_delay: '0s', expiry: '1s' },
    });
    const wanted = [
      /^mailbox is no mailbox; write for example/,
      /^mailbx is no known key/,
      /^directory\.urls\.0 is no http or https URL/,
      /^directory\.authorities\.0 is no authority key/,
      /^directory\.threshold is more than the 1 authorities listed/,
      /^route\.excluded is no known key/,
      /^send\.timeout /,
      /^send\.connections is at most 32/,
      /^send\.mean_delay is more than 0/,
      /^send\.expiry is "1d", "5d" or "30d"/,
    ];
    for (const pattern of wanted) expect(told).toContainEqual(expect.stringMatching(pattern));
    expect(mistakes({ ...least, directory: { ...least.directory, threshold: 2 } })).toEqual([
      'directory.threshold is more than the 1 authorities listed',
    ]);
    expect(mistakes({})).toEqual([expect.stringMatching(/^mailbox/), expect.stringMatching(/^directory/)]);
  });

  test('an authority stands there once, under one name', () => {
    const other = testAuthority('other.test', { seed: 'authority.test' }).vkey;
    const listed = { ...least.directory, authorities: [authority, authority, other], threshold: 2 };
    expect(mistakes({ ...least, directory: listed, mailbx: '' })).toEqual([
      'directory.authorities.1 is a second one of authority.test; list each authority once',
      'directory.authorities.2 is the key of authority.test as well; each authority has its own',
      expect.stringMatching(/^mailbx/),
    ]);
    const { urls } = least.directory;
    const wrong = { urls: ['x'], authorities: ['y', authority, authority], threshold: 9 };
    expect(mistakes({ ...least, directory: wrong }).map((line) => line.split(' ')[0])).toEqual([
      'directory.urls.0',
      'directory.authorities.0',
      'directory.authorities.2',
      'directory.threshold',
    ]);
    expect(mistakes({ ...least, directory: { urls, authorities: [] } })).toHaveLength(1);
  });

  test('what does not go together in a section is told beside what does not hold there', () => {
    const submission = { server: '10.0.0.1:587', tls: 'none', password_file: 'x', password_command: ['y'] };
    const dns = { resolver: '192.0.2.1:53', unsigned: 'trust' };
    expect(mistakes({ ...least, submission, dns }).map((line) => line.split(' ')[0])).toEqual([
      'dns.unsigned',
      'dns.resolver',
      'submission.tls',
      'submission.password_file',
      'submission.password_file',
      'submission.server',
    ]);
  });

  test('the gateway of the own domain: by name or by pin, its password from one place', () => {
    const of = (submission: object): unknown => parseClientConfig({ ...least, submission }).submission;
    const by = { kind: 'gateway', host: 'Mail.a.test', port: 587, implicitTls: false, user: 'alice@a.test' };
    expect(of({ server: 'Mail.a.test:587' })).toEqual({
      ...by,
      tls: { kind: 'web', names: ['mail.a.test'] },
      password: { kind: 'ask' },
    });
    const pin = 'AB'.repeat(32);
    expect(of({ server: '[::1]:465', pin, user: 'al', password_file: '/run/secret' })).toEqual({
      kind: 'gateway',
      host: '::1',
      port: 465,
      implicitTls: true,
      user: 'al',
      tls: { kind: 'pin', pins: ['ab'.repeat(32)] },
      password: { kind: 'file', path: '/run/secret' },
    });
    const command = ['pass', 'show', 'mail'];
    const named = { server: '10.0.0.1:465', tls: 'starttls', name: 'mx.a.test', password_command: command };
    expect(of(named)).toMatchObject({
      implicitTls: false,
      tls: { kind: 'web', names: ['mx.a.test'] },
      password: { kind: 'command', command },
    });
    const wrong = (submission: object): string[] => mistakes({ ...least, submission });
    expect(wrong({})).toEqual([expect.stringMatching(/^submission\.server/)]);
    expect(wrong({ server: '10.0.0.1:587' })).toEqual([
      expect.stringMatching(/^submission\.server is an address: add the name/),
    ]);
    expect(wrong({ server: 'a.test:0', tls: 'none', pin: 'ab', user: '', password: 'x' })).toEqual([
      expect.stringMatching(/^submission\.server needs a port/),
      expect.stringMatching(/^submission\.tls is "starttls" or "implicit"/),
      expect.stringMatching(/^submission\.user is empty/),
      expect.stringMatching(/^submission\.pin is no SHA-256/),
      expect.stringMatching(/^submission\.password is no known key/),
    ]);
    expect(
      wrong({ server: 'a.test:587', pin, name: 'a.test', password_file: 'x', password_command: [] }),
    ).toEqual([
      expect.stringMatching(/^submission\.password_file is no path from the root/),
      expect.stringMatching(/^submission\.password_command/),
      expect.stringMatching(/^submission\.pin does not go with name/),
      expect.stringMatching(/^submission\.password_file does not go with password_command/),
    ]);
    expect(
      wrong({ server: 'a.test:587', pin, name: 'a.test', password_file: '~/x', password_command: ['x'] }),
    ).toEqual([
      expect.stringMatching(/^submission\.pin does not go with name/),
      expect.stringMatching(/^submission\.password_file does not go with password_command/),
    ]);
  });

  test('a majority of the authorities must have signed, each counted once, unless more are asked for', () => {
    const keyOf = (name: string): string => testAuthority(name).vkey;
    const { urls } = least.directory;
    const three = ['a1.test', 'a2.test', 'a3.test'].map(keyOf);
    expect(mistakes({ ...least, directory: { urls, authorities: three, threshold: 1 } })).toEqual([
      expect.stringMatching(/^directory\.threshold is no majority of the 3 authorities.*write 2 or more/),
    ]);
    for (const threshold of [2, 3]) {
      expect(mistakes({ ...least, directory: { urls, authorities: three, threshold } })).toEqual([]);
    }
    const given = { urls, authorities: [...three, testAuthority('a3.test', { seed: 'another' }).vkey] };
    expect(parseClientConfig({ ...least, directory: given }).directory.threshold).toBe(2);
    expect(mistakes({ ...least, directory: { ...given, threshold: 4 } })).toEqual([
      'directory.threshold is more than the 3 authorities listed',
    ]);
  });

  test('a resolver whose word is taken is on loopback; any other will do for who validates', () => {
    const dns = (section: object): unknown => ({ ...least, dns: section });
    expect(parseClientConfig(dns({ resolver: '[::1]:5353', unsigned: 'trust-on-first-use' })).dns).toEqual({
      resolver: { host: '::1', port: 5353 },
      validate: 'resolver',
      trustAnchors: 'iana',
      unsigned: 'trust-on-first-use',
    });
    expect(mistakes(dns({ resolver: '192.0.2.53:53' }))).toEqual([
      expect.stringMatching(/^dns\.resolver is not on loopback.*add validate = "in-process"$/),
    ]);
    const own = { resolver: '192.0.2.53:53', validate: 'in-process', trust_anchors: '/etc/root.key' };
    expect(parseClientConfig(dns(own)).dns).toMatchObject({
      resolver: { host: '192.0.2.53' },
      trustAnchors: { file: '/etc/root.key' },
    });
    expect(
      mistakes(dns({ resolver: 'my resolver', validate: 'no', trust_anchors: 'x', unsigned: 'yes' })),
    ).toEqual([
      expect.stringMatching(/^dns\.resolver is no resolver; write "system"/),
      expect.stringMatching(/^dns\.validate is "resolver" or/),
      expect.stringMatching(/^dns\.trust_anchors is no absolute path/),
      expect.stringMatching(/^dns\.unsigned is "refuse" or/),
    ]);
  });

  test('what init writes can be read, its comments taken out too', async ({ onTestFinished }) => {
    const { mkdtemp, rm } = await import('node:fs/promises');
    const home = await mkdtemp('/tmp/postern-config-');
    onTestFinished(() => rm(home, { recursive: true }));
    const text = formatClientConfig({ mailbox: 'alice@a.test', ...least.directory });
    const path = `${home}/config.toml`;
    await writeFile(path, text);
    const written = await readClientConfig(path);
    expect(written).toEqual(parseClientConfig({ ...least, mailbox: 'alice@a.test' }));
    // Every default that is shown as a comment is the default.
    await writeFile(path, text.replace(/^# ([a-z_]+ = )/gm, '$1'));
    expect(await readClientConfig(path)).toEqual({ ...written, send: { ...written.send, meanDelayMs: 200 } });
    await expect(readClientConfig(`${home}/none.toml`)).rejects.toMatchObject({
      code: 'no-config',
      exitCode: 78,
    });
  });
});

describe('paths', () => {
  test('follow the XDG variables, and their defaults where they are not set or not absolute', () => {
    expect(xdgPaths({ XDG_CONFIG_HOME: '/c', XDG_STATE_HOME: 'relative' }, '/home/alice')).toEqual({
      configFile: '/c/postern/config.toml',
      keys: '/home/alice/.local/share/postern/keys',
      domains: '/home/alice/.local/share/postern/domains',
      domainCache: '/home/alice/.local/state/postern/domains',
      consensus: '/home/alice/.local/state/postern/consensus',
      outbox: '/home/alice/.local/state/postern/outbox',
      sent: '/home/alice/.local/state/postern/sent',
      returns: '/home/alice/.local/state/postern/returns',
    });
  });

  test('or lie under one directory', () => {
    expect(Object.values(pathsUnder('/x')).every((path) => path.startsWith('/x/'))).toBe(true);
  });
});
