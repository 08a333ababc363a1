import { testAuthority } from '@postern/protocol/testing';
import { ConfigError } from '@postern/runtime';
import { describe, expect, test } from 'vitest';
import { parseNodeConfig } from './config.ts';

const keyOf = (name: string, seed = name): string => testAuthority(name, { seed }).vkey;

const mix = {
  name: 'mix1.test',
  roles: ['mix'],
  data_dir: '/var/lib/postern',
  smtp: { listen: '0.0.0.0:25', advertise: 'mix1.test:25' },
  directory: { urls: ['http://127.0.0.1:8440'], authorities: [keyOf('authority.test')] },
};
const gateway = {
  ...mix,
  roles: ['delivery'],
  delivery: { domain: 'b.test', maildir: '/home/{local}/Maildir', mailboxes: ['bob'] },
};

function mistakesIn(input: unknown): Record<string, string> {
  try {
    parseNodeConfig(input);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return Object.fromEntries(error.mistakes.map(({ path, message }) => [path, message]));
  }
  return {};
}
const submission = { listen: '127.0.0.1:587', authors: '/etc/postern/authors' };
const msa = { ...gateway, roles: ['delivery', 'submission'], submission };
const smarthost = (section: object) => ({ submission: { ...submission, smarthost: section } });

describe('parseNodeConfig', () => {
  test('gives typed values, with what is not said', () => {
    expect(parseNodeConfig(mix)).toEqual({
      name: 'mix1.test',
      roles: ['mix'],
      dataDir: '/var/lib/postern',
      family: '',
      contact: '',
      smtp: {
        listen: { host: '0.0.0.0', port: 25 },
        advertise: { host: 'mix1.test', port: 25 },
        ehlo: 'mix1.test',
        allowPrivate: false,
        behind: [],
      },
      directory: { ...mix.directory, threshold: 1 },
      mix: { peelWorkers: 1, capacity: 64, expiryMs: 432_000_000, exitByDns: true },
      delivery: undefined,
      submission: undefined,
      dns: { resolver: 'system', validate: 'resolver', trustAnchors: 'iana' },
      spool: { maxBytes: 20_000_000_000, reserveBytes: 64_000_000 },
    });
  });

  test('a majority of the authorities must have signed, unless more are asked for', () => {
    const listed = (count: number, threshold?: number) => ({
      ...mix,
      directory: {
        urls: mix.directory.urls,
        authorities: Array.from({ length: count }, (_, at) => keyOf(`authority${at}.test`)),
        ...(threshold === undefined ? {} : { threshold }),
      },
    });
    for (const [count, least] of [
      [1, 1],
      [2, 2],
      [3, 2],
      [4, 3],
      [5, 3],
    ] as const) {
      expect(parseNodeConfig(listed(count)).directory.threshold).toBe(least);
      expect(parseNodeConfig(listed(count, count)).directory.threshold).toBe(count);
      expect(Object.keys(mistakesIn(listed(count, least - 1)))).toEqual(['directory.threshold']);
    }
  });

  test('what does not go together is told beside what does not hold', () => {
    const wrong = {
      ...mix,
      name: '-',
      roles: ['mix', 'submission'],
      directory: { ...mix.directory, urls: ['x'], threshold: 2 },
      delivery: { domain: '-', maildir: '/a', mailboxes: ['bob', 'bea'], lmtp: 'x' },
      submission: { listen: 'x', tls_key: '/key', imap: '10.0.0.1:143', authors: 'a', expiry: '1h' },
      spool: { store: 'sqlite', max_size: 'x', redis: { url: 'redis://10.0.0.1', user: 'u', vouch: 1 } },
      dns: { resolver: '192.0.2.1:53', trust_anchors: 'x' },
      metrics: { listen: '192.0.2.1:9', publik: true },
      ports: 1,
    };
    expect(Object.keys(mistakesIn(wrong)).sort()).toEqual([
      'delivery',
      'delivery.domain',
      'delivery.lmtp',
      'delivery.mailboxes',
      'delivery.maildir',
      'directory.threshold',
      'directory.urls.0',
      'dns.resolver',
      'dns.trust_anchors',
      'metrics.listen',
      'metrics.publik',
      'name',
      'ports',
      'roles',
      'spool.max_size',
      'spool.redis',
      'spool.redis.password_file',
      'spool.redis.url',
      'spool.redis.vouch',
      'submission.imap',
      'submission.imap_pin',
      'submission.listen',
      'submission.tls_cert',
      'submission.warn_after',
    ]);
    // a role that does not hold may be the one that a section is for
    expect(mistakesIn({ ...gateway, roles: ['mix', 'delivry'] })).toEqual({ 'roles.1': expect.any(String) });
    expect(mistakesIn({ ...gateway, roles: ['mixx', 'delivry'] })).toEqual({
      'roles.0': expect.any(String),
      'roles.1': expect.any(String),
    });
    expect(mistakesIn({ ...gateway, delivery: 'b.test' })).toEqual({ delivery: expect.any(String) });
  });

  test('an authority with two keys counts once, and the same key stands there once', () => {
    const key = keyOf('a.test');
    const twice = { ...mix, directory: { urls: mix.directory.urls, authorities: [key, key], threshold: 1 } };
    expect(mistakesIn(twice)).toEqual({
      'directory.authorities.1': 'is a second one of a.test; list each authority once',
    });
    const authorities = [keyOf('a1.test'), keyOf('a2.test'), keyOf('a2.test', 'another')];
    const listed = { ...mix, directory: { urls: mix.directory.urls, authorities } };
    expect(parseNodeConfig(listed).directory.threshold).toBe(2);
    const all = { ...listed, directory: { ...listed.directory, threshold: 3 } };
    expect(mistakesIn(all)['directory.threshold']).toContain('more than the 2 authorities');
  });

  test('a mirror is where it listens, and the URL that others are told', () => {
    const listen = '127.0.0.1:8441';
    const at = { host: '127.0.0.1', port: 8_441 };
    expect(parseNodeConfig({ ...mix, mirror: { listen } }).mirror).toEqual({ listen: at, url: '' });
    for (const url of ['https://mix1.test', 'https://mix1.test/a/b', 'http://127.0.0.1:8441'])
      expect(parseNodeConfig({ ...mix, mirror: { listen, url } }).mirror).toEqual({ listen: at, url });
    for (const url of [
      'https://mix1.test/',
      'https://MIX1.test',
      'https://mix1.test?a',
      'https://mix1.test#a',
      'https://u:p@mix1.test',
      'ftp://mix1.test',
      'mix1.test',
    ])
      expect(mistakesIn({ ...mix, mirror: { listen, url } })).toEqual({
        'mirror.url': expect.stringContaining('is no URL that readers could be told'),
      });
    expect(mistakesIn({ ...mix, mirror: {} })).toHaveProperty(['mirror.listen']);
  });

  test('readers ask mirrors unless they say that they do not', () => {
    expect(parseNodeConfig(mix).directory).not.toHaveProperty('mirrors');
    const directory = { ...mix.directory, mirrors: false };
    expect(parseNodeConfig({ ...mix, directory }).directory).toHaveProperty('mirrors', false);
  });

  test('a gateway says whose direct mail it takes', () => {
    const delivery = { ...gateway.delivery, accept: ['a.test'], deny: ['evil.test'], carriages_per_hour: 5 };
    expect(parseNodeConfig({ ...gateway, delivery }).delivery?.senders).toEqual({
      accept: ['a.test'],
      deny: ['evil.test'],
      limits: { carriagesPerHour: 5, bytesPerHour: 5_000_000_000 },
    });
  });

  test('a gateway delivers to Maildirs or by LMTP', () => {
    expect(parseNodeConfig(gateway).delivery).toMatchObject({
      domain: 'b.test',
      to: { kind: 'maildir', path: '/home/{local}/Maildir', mailboxes: ['bob'] },
    });
    for (const [text, address] of [
      ['127.0.0.1:24', { host: '127.0.0.1', port: 24 }],
      ['unix:/run/dovecot/lmtp', { path: '/run/dovecot/lmtp' }],
    ]) {
      const { delivery } = parseNodeConfig({ ...gateway, delivery: { domain: 'b.test', lmtp: text } });
      expect(delivery?.to).toMatchObject({ kind: 'lmtp', address });
    }
  });

  test('reports every mistake at once, each with its path', () => {
    const mistakes = mistakesIn({
      ...gateway,
      name: 'Mix1',
      family: 'A b',
      rols: ['mix'],
      smtp: { listen: 'here', advertise: '0.0.0.0:25', elho: 'x', behind: ['127.0.0.1', 'mail.b.test'] },
      directory: { urls: ['ftp://x'], authorities: [] },
      contact: 'somebody',
      mix: { peel_workers: 0, capacity: 100, expiry: 'soon' },
      delivery: { domain: 'b.test', maildir: 'Maildir', mailboxes: ['../root', 'a/b', '.', 'Bob'] },
    });
    expect(Object.keys(mistakes).sort()).toEqual([
      'contact',
      'delivery.mailboxes.0',
      'delivery.mailboxes.1',
      'delivery.mailboxes.2',
      'delivery.mailboxes.3',
      'delivery.maildir',
      'directory.authorities',
      'directory.urls.0',
      'family',
      'mix.capacity',
      'mix.expiry',
      'mix.peel_workers',
      'name',
      'rols',
      'smtp.advertise',
      'smtp.behind.1',
      'smtp.elho',
      'smtp.listen',
    ]);
    expect(mistakes.rols).toContain('no known key');
    expect(mistakes['smtp.advertise']).toContain('others can reach');
  });

  test.each([
    [{ roles: ['mix'], delivery: gateway.delivery }, 'delivery', 'without the role'],
    [{ roles: ['delivery'], delivery: undefined }, 'delivery', 'is missing'],
    [{ roles: ['mix', 'mix'], delivery: undefined }, 'roles', 'twice'],
    [{ directory: { ...mix.directory, threshold: 2 } }, 'directory.threshold', 'more than'],
    [{ delivery: { domain: 'b.test' } }, 'delivery.maildir', 'either maildir or lmtp'],
    [{ delivery: { ...gateway.delivery, lmtp: '127.0.0.1:24' } }, 'delivery.lmtp', 'one of them'],
    [{ delivery: { domain: 'b.test', maildir: '/m/{local}' } }, 'delivery.mailboxes', 'is missing'],
    [
      { delivery: { domain: 'b.test', lmtp: '127.0.0.1:24', mailboxes: ['bob'] } },
      'delivery.mailboxes',
      'maildir only',
    ],
    [{ delivery: { domain: 'b.test', lmtp: 'unix:run' } }, 'delivery.lmtp', 'LMTP address'],
    [{ delivery: { domain: 'b.test', maildir: '/m', mailboxes: ['a', 'b'] } }, 'delivery.maildir', '{local}'],
    [
      { delivery: { domain: 'b.test', maildir: '/m/../{local}', mailboxes: ['a'] } },
      'delivery.maildir',
      '..',
    ],
  ])('says what is wrong with %j', (change, path, message) => {
    expect(mistakesIn({ ...gateway, ...change })[path]).toContain(message);
  });
});

describe('the section submission', () => {
  test('gives typed values, with what is not said', () => {
    expect(parseNodeConfig(msa).submission).toEqual({
      listen: { host: '127.0.0.1', port: 587 },
      authors: { kind: 'file', path: '/etc/postern/authors' },
      expiryMs: 432_000_000,
      warnAfterMs: 14_400_000,
      tokenLifeMs: 3_196_800_000,
      limits: { carriagesPerHour: 5_000, bytesPerHour: 250_000_000 },
    });
  });

  test('a server proves who it is by a certificate for its name, for another name, or by a key', () => {
    const spki = 'ab'.repeat(32);
    const { listen } = submission;
    for (const [section, expected] of [
      [
        { imap: 'mail.b.test:993' },
        {
          kind: 'imap',
          login: 'mailbox',
          server: { port: 993, tls: { kind: 'web', names: ['mail.b.test'] } },
        },
      ],
      [
        { smtp: '127.0.0.1:587', smtp_name: 'mail.b.test', login: 'local' },
        { kind: 'smtp', login: 'local', server: { port: 587, tls: { kind: 'web', names: ['mail.b.test'] } } },
      ],
      [
        { smtp: '127.0.0.1:465', smtp_pin: spki.toUpperCase() },
        { kind: 'smtp', login: 'mailbox', server: { port: 465, tls: { kind: 'pin', pins: [spki] } } },
      ],
    ])
      expect(
        parseNodeConfig({ ...msa, submission: { listen, ...section } }).submission?.authors,
      ).toMatchObject(expected as object);
  });

  test('a smarthost has a way for each mode of TLS, or one for both', () => {
    const read = (section: object) =>
      parseNodeConfig({ ...msa, ...smarthost(section) }).submission?.smarthost;
    const spki = 'ab'.repeat(32);
    const pin = { kind: 'pin', pins: [spki] };
    expect(read({ require: '127.0.0.1:10026', prefer: '127.0.0.1:10025', pin: spki })).toEqual({
      require: { host: '127.0.0.1', port: 10_026, tls: pin },
      prefer: { host: '127.0.0.1', port: 10_025, tls: pin },
    });
    const only = { host: 'mail.b.test', port: 26, tls: { kind: 'web', names: ['mail.b.test'] } };
    expect(read({ require: 'mail.b.test:26' })).toEqual({ require: only, prefer: only });
    expect(read({ require: '127.0.0.1:26', name: 'mail.b.test' })).toMatchObject({
      prefer: { host: '127.0.0.1', tls: { kind: 'web', names: ['mail.b.test'] } },
    });
  });

  test('reports every mistake at once, each with its path', () => {
    const mistakes = mistakesIn({
      ...msa,
      submission: {
        tls_key: 'key.pem',
        imap: '127.0.0.1:993',
        smtp: 'mail.b.test:587',
        smtp_pin: 'ab'.repeat(32),
        smtp_name: 'mail.b.test',
        smarthost: { require: '127.0.0.1:25' },
        expiry: '1d',
        warn_after: '1d',
        token_life: '1h',
        bytes_per_hour: '1kB',
      },
    });
    expect(Object.keys(mistakes).sort()).toEqual([
      'submission.bytes_per_hour',
      'submission.imap_pin',
      'submission.listen',
      'submission.smarthost.pin',
      'submission.smtp',
      'submission.smtp_name',
      'submission.tls_cert',
      'submission.token_life',
      'submission.warn_after',
    ]);
  });

  test.each([
    [{ roles: ['delivery'] }, 'submission', 'without the role'],
    [{ submission: undefined }, 'submission', 'is missing'],
    [{ roles: ['submission'], delivery: undefined }, 'roles', '"submission" without "delivery"'],
    [{ submission: { listen: 'x', authors: 'a' } }, 'submission.listen', 'is no endpoint'],
    [{ submission: { ...submission, token_life: '36d' } }, 'submission.token_life', 'must be 37d or longer'],
    [
      { submission: { ...submission, token_life: '37d', expiry: '38d' } },
      'submission.token_life',
      'shorter than expiry',
    ],
    [{ submission: { ...submission, login: 'local' } }, 'submission.login', 'imap or smtp only'],
    [{ submission: { listen: '127.0.0.1:587' } }, 'submission.authors', 'is missing'],
    [smarthost({ require: '[::1]:25' }), 'submission.smarthost.pin', 'is missing; require has no name'],
    [
      smarthost({ require: 'm.test:25', prefer: '[::1]:25' }),
      'submission.smarthost.pin',
      'prefer has no name',
    ],
    [smarthost({ require: 'm.test:25', pin: 'x' }), 'submission.smarthost.pin', '64 hex'],
    [
      smarthost({ require: 'm.test:25', pin: 'ab'.repeat(32), name: 'm.test' }),
      'submission.smarthost.name',
      'stands',
    ],
    [{ submission: { ...submission, password: 'x' } }, 'submission.password', 'no known key'],
  ])('says what is wrong with %j', (change, path, message) => {
    expect(mistakesIn({ ...msa, ...change })[path]).toContain(message);
  });
});
