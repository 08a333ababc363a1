import { chmod, mkdir, open, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { folder } from './folder.ts';
import { type Network, startNetwork } from './network.ts';
import { message } from './people.ts';
import { postern, type Ran } from './terminal.ts';

const now = Date.now();
const toBob = message({
  From: 'alice@a.test',
  To: 'bob@b.test',
  Subject: 'lunch',
  'Message-ID': '<lunch@a.test>',
  Date: 'x',
});

let network: Network;
let home: string;
let bobHome: string;

/** A command of Alice's. */
const alice = (args: string[], input?: string | Uint8Array): Promise<Ran> =>
  postern(['--home', home, ...args], input);
const bob = (args: string[], input?: string | Uint8Array): Promise<Ran> =>
  postern([...args, '--home', bobHome], input);
const json = (ran: Ran): { id: string } => {
  expect(ran.stdout).toMatch(/^[^\n]+\n$/);
  return JSON.parse(ran.stdout);
};

async function succeed(ran: Promise<Ran>): Promise<Ran> {
  const result = await ran;
  if (result.code !== 0) throw new Error(`${result.code}: ${result.stderr}`);
  return result;
}

beforeEach(async () => {
  network = await startNetwork({ now, mixesPerLayer: 2 });
  home = await folder();
  bobHome = await folder();
  const where = ['--directory-url', network.url, '--authority', network.vkey];
  await succeed(alice(['init', '--mailbox', 'alice@a.test', ...where]));
  await succeed(bob(['init', '--mailbox', 'bob@b.test', ...where]));
  // Nobody outside is asked anything.
  for (const each of [home, bobHome]) {
    const file = join(each, 'config', 'config.toml');
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace('# resolver = "system"', 'resolver = "none"'),
    );
  }
  await succeed(alice(['keys', 'generate', '--no-passphrase']));
  await succeed(bob(['keys', 'generate', '--no-passphrase']));
  await succeed(alice(['keys', 'import'], (await bob(['keys', 'export', 'bob@b.test'])).stdout));
  await succeed(bob(['keys', 'import', '-'], (await alice(['keys', 'export', 'alice@a.test'])).stdout));
  await succeed(alice(['domain', 'pin', '-'], network.zones.get('b.test')));
});

describe('from one to the other', () => {
  test('send prints what became of it; open prints the message, and who signed on standard error', async () => {
    const sent = await succeed(alice(['send', '--json'], toBob));
    expect(json(sent)).toMatchObject({
      messageId: '<lunch@a.test>',
      submitted: 1,
      pending: 0,
      recipients: [
        {
          mailbox: 'bob@b.test',
          packets: 1,
          paths: [{ hops: expect.any(Array), delaysMs: expect.any(Array) }],
        },
      ],
    });
    const [sealed = new Uint8Array()] = (await network.deliver()).get('bob@b.test') ?? [];
    const opened = await succeed(bob(['open'], sealed));
    expect(opened.bytes).toEqual(Buffer.from(toBob));
    expect(opened.stderr).toMatch(/signed by alice@a\.test on \d{4}-/);
    expect(json(await bob(['open', '--json'], sealed))).toMatchObject({
      kind: 'opened',
      vouched: true,
      from: 'alice@a.test',
      messageBase64: Buffer.from(toBob).toString('base64'),
      verdict: { kind: 'good' },
    });
  });

  test('people read who gets how many packets by which path', async () => {
    await writeFile(join(home, 'message.eml'), toBob);
    const sent = await succeed(
      alice([
        'send',
        join(home, 'message.eml'),
        '--pin',
        'm1-0.test,,m3-1.test',
        '--exclude',
        'm2-0.test',
        '--mean-delay',
        '0s',
      ]),
    );
    expect(sent.stdout.split('\n')).toEqual([
      '<lunch@a.test>',
      'bob@b.test: 1 packet, by m1-0.test (0 ms) → m2-1.test (0 ms) → m3-1.test (0 ms)',
      expect.stringMatching(/^ {2}key: [0-9A-F]{40}, imported, pinned since \d{4}-\d\d-\d\d$/),
      expect.stringMatching(/^ {2}domain: [0-9a-f]{40}, pinned$/),
      '  mode: mix, as configured; TLS required on the way',
      '  reports: none can reach you',
      '1 of 1 packet handed over',
      '',
    ]);
    expect(sent.stderr).toBe('');
  });

  test('--dry-run says the same of each recipient, and makes and sends nothing', async () => {
    const planned = await succeed(alice(['send', '--dry-run'], toBob));
    expect(planned.stdout).toMatch(
      /^bob@b\.test\n {2}key: .*\n {2}domain: .*\n {2}mode: mix, .*\n {2}reports: none .*\nNothing was sent\.\n$/,
    );
    expect(json(await succeed(alice(['send', '--dry-run', '--json'], toBob)))).toMatchObject({
      recipients: [
        { mailbox: 'bob@b.test', key: { source: 'file' }, record: { vouchedBy: 'pinned' }, mode: 'mix' },
      ],
    });
    expect(network.packets()).toEqual([]);
    expect(JSON.parse((await succeed(alice(['outbox', '--json']))).stdout)).toEqual([]);
    await expect(readdir(join(home, 'state', 'sent'))).rejects.toThrow('ENOENT');
  });

  test('a Maildir: what is new or everything, into files; nothing in it changes', async () => {
    await succeed(alice(['send'], toBob));
    await succeed(alice(['send'], message({ From: 'alice@a.test', To: 'bob@b.test' }, 'second\r\n')));
    const sealed = (await network.deliver()).get('bob@b.test') ?? [];
    const maildir = await folder();
    for (const name of ['cur', 'new', 'tmp']) await mkdir(join(maildir, name));
    await writeFile(join(maildir, 'new', '1.M1.host'), sealed[0] ?? '');
    await writeFile(join(maildir, 'cur', '0.M0.host:2,S'), sealed[1] ?? '');
    await writeFile(join(maildir, 'new', '2.M2.host'), 'From: x@y.test\r\n\r\nplain\r\n');
    const before = await readdir(maildir, { recursive: true });
    const output = join(await folder(), 'mail');
    const fresh = await bob(['open', '--json', '--maildir', maildir, '--output', output]);
    expect(fresh.code).toBe(65);
    expect(JSON.parse(fresh.stdout)).toMatchObject([
      { name: '1.M1.host', kind: 'opened', vouched: true, file: join(output, '1.M1.host.eml') },
      { name: '2.M2.host', kind: 'refused', reason: 'not-encrypted' },
    ]);
    expect((await stat(join(output, '1.M1.host.eml'))).mode & 0o777).toBe(0o600);
    const everything = await bob(['open', '--json', '--all', '--maildir', maildir, '--output', output]);
    expect(JSON.parse(everything.stdout)).toHaveLength(3);
    expect((await readdir(output)).sort()).toEqual(['0.M0.host.eml', '1.M1.host.1.eml', '1.M1.host.eml']);
    expect(await readdir(maildir, { recursive: true })).toEqual(before);
  });

  test('the messages of a Maildir come in the order of their delivery; that nothing is between them is told', async () => {
    const maildir = await folder();
    for (const name of ['cur', 'new', 'tmp']) await mkdir(join(maildir, name));
    for (const body of ['first\r\n', 'second\r\n', 'third\r\n'])
      await succeed(alice(['send'], message({ From: 'alice@a.test', To: 'bob@b.test' }, body)));
    const sealed = (await network.deliver()).get('bob@b.test') ?? [];
    const places = ['new/c.host', 'cur/b.host:2,S', 'new/a.host'].map((place) => join(maildir, place));
    for (const [at, path] of places.entries()) {
      await writeFile(path, sealed[at] ?? '');
      await utimes(path, 1000 + at, 1000 + at);
    }
    const names = ['c.host', 'b.host', 'a.host'];
    const listed = await succeed(bob(['open', '--json', '--all', '--maildir', maildir]));
    const messages: { messageBase64: string }[] = JSON.parse(listed.stdout);
    expect(messages).toMatchObject(names.map((name) => ({ name, kind: 'opened' })));
    expect(listed.stderr).not.toContain('--output DIR');
    const shown = await succeed(bob(['open', '--all', '--maildir', maildir]));
    const inOrder = messages.map(({ messageBase64 }) => Buffer.from(messageBase64, 'base64'));
    expect(shown.bytes).toEqual(Buffer.concat(inOrder));
    expect(shown.stderr).toMatch(/for more than one use --output DIR or --json\n$/);
    const one = await succeed(bob(['open', join(maildir, 'new', 'c.host')]));
    expect(one.stderr).not.toContain('--output DIR');
  });

  test('without a way to the first mix packets stay, outbox lists them, flush goes on, discard gives up', async () => {
    for (const mix of network.mixes) mix.answer = () => 'defer';
    const sent = await alice(['send', '--json', '--timeout', '0s'], toBob);
    expect(sent.code).toBe(75);
    expect(sent.stderr).toContain('postern flush');
    const { id } = json(sent);
    expect(JSON.parse((await succeed(alice(['outbox', '--json']))).stdout)).toMatchObject([
      { id, packets: 1 },
    ]);
    for (const mix of network.mixes) mix.answer = () => 'refuse';
    const refused = await alice(['flush', '--timeout', '1s']);
    expect(refused.code).toBe(69);
    expect(refused.stderr).toMatch(/m1-\d\.test refuses/);
    for (const mix of network.mixes) mix.answer = () => 'accept';
    expect(json(await succeed(alice(['flush', '--json'])))).toMatchObject({ submitted: 1, pending: 0 });
    expect((await succeed(alice(['outbox']))).stdout).toBe('The outbox is empty.\n');
    const { id: second } = json(await alice(['send', '--json', '--timeout', '0s'], toBob));
    await succeed(alice(['outbox', '--discard', second]));
    expect((await succeed(alice(['flush']))).stdout).toBe('The outbox is empty.\n');
    expect((await alice(['outbox', '--discard', second])).code).toBe(64);
  });
});

describe('refusals', () => {
  test('every problem is told with what to do, and nothing is kept', async () => {
    const sent = await alice(
      ['send', '--json'],
      message({ From: 'alice@a.test', To: 'rob@b.test, carol@c.test' }),
    );
    expect(sent.code).toBe(65);
    for (const text of [
      'no key of rob@b.test',
      'no key of carol@c.test',
      'domain c.test',
      'postern keys import FILE',
      'nothing was sent',
    ])
      expect(sent.stderr).toContain(text);
    // Whether a mix would reach c.test nobody can say without its record.
    const problems = [
      { code: 'domain-not-pinned' },
      { code: 'no-recipient-key', mailbox: 'rob@b.test' },
      { code: 'no-recipient-key', mailbox: 'carol@c.test' },
    ];
    expect(json(sent)).toMatchObject({ error: { code: 'refused', problems } });
    expect((await alice(['outbox'])).stdout).toBe('The outbox is empty.\n');
    expect(await readdir(join(home, 'state', 'sent')).catch(() => [])).toEqual([]);
  });

  test('a consensus that has expired: fail closed, and say so', async () => {
    const { consensus } = network;
    const epoch = consensus.epoch - 4;
    const validAfter = epoch * consensus.epochSeconds;
    network.consensus = {
      ...consensus,
      epoch,
      validAfter,
      freshUntil: validAfter + 3600,
      validUntil: validAfter + 7200,
    };
    const sent = await alice(['send'], toBob);
    expect(sent.code).toBe(75);
    expect(sent.stderr).toMatch(/clock/);
    expect((await alice(['route'])).code).toBe(75);
    expect(network.packets()).toEqual([]);
  });

  test('no configuration, an unknown key in it, and one that is there already', async () => {
    const empty = await folder();
    const none = await postern(['--home', empty, 'send'], toBob);
    expect(none.code).toBe(78);
    expect(none.stderr).toContain(
      'Make one: postern init --mailbox YOU@YOUR.DOMAIN --directory-url URL --authority KEY. Or name its home: --home DIR\n',
    );
    const mistaken = ['--directory-url', 'directory.example', '--authority', 'x+y+z'];
    const refused = await postern(['--home', empty, 'init', '--mailbox', 'alice@a.test', ...mistaken]);
    expect(refused.code).toBe(64);
    expect(refused.stderr).toContain(
      'directory.urls.0: is no http or https URL; write for example "https://directory.example"\n',
    );
    expect(refused.stderr).toContain('directory.authorities.0: is no authority key');
    expect(await readdir(empty)).toEqual([]);
    const path = join(home, 'config', 'config.toml');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const again = await alice([
      'init',
      '--mailbox',
      'x@a.test',
      '--directory-url',
      network.url,
      '--authority',
      network.vkey,
    ]);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(path);
    await writeFile(path, `colour = "blue"\n${await readFile(path, 'utf8')}`);
    const unknown = await alice(['send', '--json'], toBob);
    expect(unknown.code).toBe(78);
    expect(unknown.stderr).toContain('colour: is no known key');
    expect(json(unknown)).toMatchObject({ error: { message: expect.stringContaining('colour') } });
  });

  test('wrong use: 64, with the usage', async () => {
    for (const args of [
      ['sned'],
      ['send', '--timeout', 'soon'],
      ['keys', 'export'],
      ['open', 'x', '--maildir', 'y'],
      ['open', '--all'],
      ['init', '--mailbox', 'alice@a.test', '--directory-url', 'directory.example', '--authority', 'x'],
    ]) {
      expect([...args, (await alice(args)).code]).toEqual([...args, 64]);
    }
  });

  test('an unvouched message is printed with a warning, and 1', async () => {
    await succeed(alice(['send'], toBob));
    const [sealed = new Uint8Array()] = (await network.deliver()).get('bob@b.test') ?? [];
    await succeed(bob(['keys', 'remove', 'alice@a.test']));
    const opened = await bob(['open'], sealed);
    expect(opened.code).toBe(1);
    expect(opened.bytes).toEqual(Buffer.from(toBob));
    expect(opened.stderr).toMatch(/WARNING.*not here/);
    expect((await alice(['open'], sealed)).code).toBe(65);
  });
});

describe('keys and domains', () => {
  test('list shows whose they are', async () => {
    expect((await succeed(alice(['keys', 'list']))).stdout).toMatch(
      /^own +alice@a\.test +[0-9A-F]{40} +no passphrase\npinned +bob@b\.test +[0-9A-F]{40} +imported, since [0-9-]{10}\n$/,
    );
    expect(JSON.parse((await succeed(alice(['keys', 'list', '--json']))).stdout)).toMatchObject([
      { kind: 'own', mailbox: 'alice@a.test', protected: false, expires: null },
      { kind: 'pinned', mailbox: 'bob@b.test' },
    ]);
  });

  test('another key for someone pinned is refused loudly', async () => {
    const other = await folder();
    await succeed(postern(['--home', other, 'keys', 'generate', 'bob@b.test', '--no-passphrase']));
    const theirs = (await postern(['--home', other, 'keys', 'export', 'bob@b.test'])).stdout;
    const refused = await alice(['keys', 'import'], theirs);
    expect(refused.code).toBe(65);
    expect(refused.stderr).toMatch(/ANOTHER KEY IS PINNED for bob@b\.test.*\n.*--replace/);
    await succeed(alice(['keys', 'import', '--replace'], theirs));
  });

  test('a domain that is pinned is known, though nobody may be asked', async () => {
    const checked = await succeed(alice(['domain', 'check', 'b.test']));
    expect(checked.stdout).toMatch(
      /^b\.test: pinned until \d{4}-\d\d-\d\d; sending uses that and asks nobody\n$/,
    );
    expect(checked.stderr).toBe('');
    expect(json(await succeed(alice(['domain', 'check', 'b.test', '--json'])))).toMatchObject({
      finding: 'record',
      vouchedBy: 'pinned',
      pinned: true,
      record: { domain: 'b.test' },
    });
    const unknown = await alice(['domain', 'check', 'nobody.test']);
    expect(unknown.code).toBe(65);
    expect(unknown.stderr).toMatch(/nothing is known of the domain nobody\.test\n {2}Is the name right\?/);
  });

  test('what is no message is refused in words, and by its code with --json', async () => {
    const shown = await bob(['open', '-'], 'posthost\n');
    expect(shown.code).toBe(65);
    expect(shown.stderr).toContain('it is no e-mail message');
    expect(json(await bob(['open', '--json', '-'], 'posthost\n'))).toMatchObject({
      kind: 'refused',
      reason: 'malformed-header',
    });
  });

  test('another record for a domain pinned is refused loudly', async () => {
    const other = await startNetwork({ now, mixesPerLayer: 1 });
    const zone = other.zones.get('b.test') ?? '';
    const refused = await alice(['domain', 'pin', '-'], zone);
    expect(refused.code).toBe(65);
    expect(refused.stderr).toMatch(/ANOTHER KEY IS PINNED for b\.test/);
    expect((await alice(['domain', 'show', 'b.test'])).stdout).toBe(network.zones.get('b.test'));
    await succeed(alice(['domain', 'pin', '-', '--replace'], zone));
    expect((await alice(['domain', 'show', 'b.test'])).stdout).toBe(zone);
    expect(JSON.parse((await alice(['domain', 'list', '--json'])).stdout)).toMatchObject([
      { domain: 'b.test', mix: true },
    ]);
    expect((await alice(['domain', 'list'])).stdout).toMatch(
      /^b\.test +[0-9a-f]{40} +until \d{4}-\d\d-\d\d +pinned$/m,
    );
    await succeed(alice(['domain', 'remove', 'b.test']));
    expect((await alice(['domain', 'list'])).stdout).toBe('No domain is known.\n');
    expect((await alice(['domain', 'show', 'b.test'])).code).toBe(64);
    expect((await alice(['domain', 'pin', '-'], 'nonsense')).code).toBe(65);
  });

  test('a passphrase comes from a file that others cannot read, and never from nowhere', async () => {
    const file = join(home, 'passphrase');
    await writeFile(file, 'hunter2\n', { mode: 0o644 });
    expect((await alice(['keys', 'generate', '--replace', '--passphrase-file', file])).code).toBe(77);
    await chmod(file, 0o600);
    await succeed(alice(['keys', 'generate', '--replace', '--passphrase-file', file]));
    expect(
      (await alice(['keys', 'generate', '--replace', '--passphrase-file', file, '--no-passphrase'])).code,
    ).toBe(64);
    await succeed(alice(['send', '--passphrase-file', file], toBob));
    const descriptor = await open(file);
    await succeed(alice(['send', '--passphrase-fd', `${descriptor.fd}`], toBob));
    await descriptor.close();
    await writeFile(file, 'hunter3\n');
    const wrong = await alice(['send', '--passphrase-file', file], toBob);
    expect(wrong.code).toBe(77);
    expect((await alice(['outbox'])).stdout).toBe('The outbox is empty.\n');
  });

  test('a secret key is printed only when asked for', async () => {
    expect((await alice(['keys', 'export', 'alice@a.test'])).stdout).not.toContain('PRIVATE');
    expect((await alice(['keys', 'export', '--secret', 'alice@a.test'])).stdout).toContain('PRIVATE');
  });
});

describe('route', () => {
  test('shows each layer with its probabilities, and with --explain who is left out', async () => {
    const shown = await succeed(alice(['route', '--explain', '--exclude', 'm2-0.test']));
    expect(shown.stdout).toContain('Layer 1\n  m1-');
    expect(shown.stdout).toMatch(/m2-0\.test +0 % +excluded/);
    expect(shown.stdout).toContain('4 possible paths');
    expect(shown.stdout).toContain('600 ms of delay');
    expect(json(await succeed(alice(['route', '--json'])))).toMatchObject({
      paths: 8,
      expectedLatencyMs: 600,
      layers: [{}, {}, {}],
    });
  });

  test('with nothing left out --explain says so', async () => {
    const shown = await succeed(alice(['route', '--explain']));
    expect(shown.stdout).toContain('Left out: none of 6 mixes');
    expect((await succeed(alice(['route']))).stdout).not.toContain('Left out');
  });

  test('no path: 65 and why', async () => {
    const shown = await alice(['route', '--pin', 'm2-0.test']);
    expect(shown.code).toBe(65);
    expect(shown.stdout).toMatch(/^Epoch \d+, valid until [^\n]+\n$/);
    expect(shown.stderr).toBe(
      'postern: there is no path: the mix pinned for layer 1 is not in that layer\n' +
        '  Loosen include, exclude or pins; postern route --explain shows each mix, and why it is left out.\n',
    );
    expect(json(await alice(['route', '--json', '--pin', 'm2-0.test']))).toMatchObject({
      refused: { reason: 'wrong-layer', layer: 1 },
      problems: [{ code: 'no-route', hint: expect.stringContaining('--explain') }],
    });
    const explained = await alice(['route', '--explain', '--pin', 'm2-0.test']);
    expect(explained.stdout).toContain('another mix is pinned');
    expect(explained.stdout).toMatch(/Layer 3\n {2}m3-[01]\.test +0 % +no path: layer 1 has no mix left\n/);
    expect(explained.stdout).not.toContain('family is needed');
  });

  test('a mix that is not there: the code and the hint of send, as a warning where the configuration names it', async () => {
    for (const option of ['--exclude', '--include', '--pin']) {
      const [shown, sent] = [
        await alice(['route', option, 'mx.test']),
        await alice(['send', option, 'mx.test'], toBob),
      ];
      expect([shown.code, sent.code]).toEqual([64, 64]);
      expect(shown.stderr).toMatch(
        /^postern: no node of the consensus is called mx\.test\n {2}Without these /,
      );
      expect(sent.stderr).toBe(`${shown.stderr}postern: nothing was sent\n`);
    }
    const file = join(home, 'config', 'config.toml');
    await writeFile(file, (await readFile(file, 'utf8')).replace('# exclude = []', 'exclude = ["mx.test"]'));
    const configured = await succeed(alice(['route']));
    expect(configured.stderr).toBe(
      'postern: no node of the consensus is called mx.test, as route in the configuration says\n',
    );
  });
});

describe('domain prefetch', () => {
  test('ends at once when the configuration names nobody to ask', async () => {
    const { code, stderr, stdout } = await alice(['domain', 'prefetch', '--json']);
    expect([code, stderr]).toEqual([78, expect.stringContaining('resolver = "none"')]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'no-resolver' } });
  });

  test('says how long it takes, and what it did not come to when it is ended', async () => {
    const file = join(home, 'config', 'config.toml');
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace('resolver = "none"', 'resolver = "127.0.0.1:9"'),
    );
    const args = ['--home', home, 'domain', 'prefetch'];
    const { code, stdout, stderr } = await postern(args, '', AbortSignal.abort());
    expect([code, stdout]).toEqual([75, '']);
    expect(stderr).toMatch(
      /^postern: asks DNS for 1 domain, .*\npostern: interrupted: 1 domain not asked for\n$/,
    );
  });
});

test('a file that cannot be read: why', async () => {
  for (const [file, why] of [
    [join(home, 'none.eml'), 'there is no such file'],
    [home, 'it is a folder'],
  ] as const) {
    const { code, stderr } = await alice(['send', file]);
    expect([code, stderr.split('\n')[0]]).toEqual([65, `${file} cannot be read: ${why}`]);
  }
});

test('wrong use names the option that lists what may stand there', async () => {
  const { code, stderr, stdout } = await alice(['send', '--json', '--nonsense']);
  expect([code, stderr]).toEqual([64, expect.stringContaining('--help')]);
  expect(JSON.parse(stdout)).toMatchObject({
    error: { code: 'usage', message: expect.stringMatching(/^unknown option/) },
  });
});

test('--help says of each argument what it is, and which options are required', async () => {
  const help = (await alice(['wrap', '--help'])).stdout.replaceAll(/\s+/g, ' ');
  expect(help).toMatch(/Arguments: file the message; .* --output <dir> [^<]*mode 0700 \(required\)/);
  for (const command of [
    ['keys', 'find'],
    ['keys', 'accept'],
    ['domain', 'check'],
    ['domain', 'pin'],
    ['send'],
  ])
    expect((await alice([...command, '--help'])).stdout).toContain('\nArguments:\n');
});

test('each command has --help', async () => {
  const commands = [
    [],
    ['init'],
    ['keys'],
    ['keys', 'generate'],
    ['keys', 'import'],
    ['keys', 'export'],
    ['keys', 'list'],
    ['keys', 'remove'],
    ['domain'],
    ['domain', 'pin'],
    ['domain', 'list'],
    ['domain', 'show'],
    ['domain', 'remove'],
    ['route'],
    ['send'],
    ['wrap'],
    ['flush'],
    ['outbox'],
    ['open'],
  ];
  for (const command of commands) {
    const { code, stdout } = await postern([...command, '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Usage: postern/);
    expect(stdout).toContain('--json');
    expect(stdout).toContain('--home <dir>');
  }
});
