import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatClientConfig, pathsUnder } from '@postern/client';
import { testAuthority } from '@postern/protocol/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ended, ours } from '../e2e/command.ts';
import { type GnuPg, haveGnuPg, run, startGnuPg } from './gnupg.ts';
import { haveKnot, type Knot, startKnot } from './knot.ts';
import { haveUnbound, startUnbound, type Unbound } from './unbound.ts';

/** Keys that GnuPG made and wrote as records, in zones that Knot signs. */
describe.skipIf(!haveKnot || !haveUnbound || !haveGnuPg)('recipients’ keys from DNS', () => {
  let knot: Knot;
  let unbound: Unbound;
  let gnupg: GnuPg;
  let home: string;
  let bob: string;
  const prints = new Map<string, string>();

  /** The record of a key as `gpg` prints it: owner, type and data are its own. */
  const record = (mailbox: string): string => {
    prints.set(mailbox, gnupg.makeKey(`Somebody <${mailbox}>`).toUpperCase());
    const printed = gnupg
      .run(['--export', '--export-options', 'export-dane', `<${mailbox}>`])
      .stdout.toString();
    const domain = mailbox.slice(mailbox.indexOf('@') + 1);
    const [, label, hex] = /^([0-9a-f]{56}) TYPE61 \\# \d+ \(\n([\s0-9a-f]+)\)/m.exec(printed) ?? [];
    const data = Buffer.from((hex ?? '').replace(/\s+/g, ''), 'hex');
    return `${label}._openpgpkey.${domain}. OPENPGPKEY ${data.toString('base64')}`;
  };

  beforeAll(async () => {
    gnupg = startGnuPg();
    bob = record('bob@b.test');
    const expired = record('bob@expired.test');
    const unsigned = record('bob@unsigned.test');
    knot = await startKnot({
      zones: [
        { name: '.', signed: 'nsec' },
        { name: 'test' },
        { name: 'b.test', records: [bob] },
        { name: 'expired.test', records: [expired], frozen: { at: 1_600_000_000 } },
        { name: 'unsigned.test', signed: 'no', records: [unsigned] },
      ],
    });
    unbound = await startUnbound({
      root: knot.anchors,
      stubs: knot.zones.map((zone) => ({ zone, address: knot.address })),
    });
    home = await mkdtemp(join(tmpdir(), 'postern-keys-'));
    await mkdir(join(home, 'config'), { recursive: true });
    await writeFile(
      pathsUnder(home).configFile,
      formatClientConfig({
        mailbox: 'alice@a.test',
        urls: ['http://127.0.0.1:9'],
        authorities: [testAuthority('authority.test').vkey],
        threshold: 1,
        resolver: `${unbound.address.host}:${unbound.address.port}`,
      }),
    );
  });
  afterAll(async () => {
    await unbound?.[Symbol.asyncDispose]();
    await knot?.[Symbol.asyncDispose]();
    gnupg?.[Symbol.dispose]();
    await rm(home, { recursive: true });
  });

  const postern = (...args: string[]): Promise<Ended> => ours('postern', ['--home', home, 'keys', ...args]);
  const find = async (...args: string[]): Promise<{ code: number | null; value: object }> => {
    const { code, stdout } = await postern('find', '--json', ...args);
    return { code, value: JSON.parse(stdout.toString()) };
  };

  test('found where GnuPG puts it, pinned once accepted, and loud about another', async () => {
    const fingerprint = prints.get('bob@b.test');
    expect(await find('Bob@b.test')).toMatchObject({
      code: 0,
      value: {
        finding: 'new',
        source: 'dns',
        candidates: [{ fingerprint, userIds: ['Somebody <bob@b.test>'] }],
      },
    });
    expect((await postern('accept', 'bob@b.test', `${fingerprint}`)).code).toBe(0);
    const listed = JSON.parse((await postern('list', '--json')).stdout.toString());
    expect(listed).toMatchObject([{ mailbox: 'bob@b.test', fingerprint, source: 'dns' }]);
    expect(await find('bob@b.test')).toMatchObject({ code: 0, value: { finding: 'known' } });

    await knot.change('b.test', [bob.replace(/ OPENPGPKEY .*/, ` OPENPGPKEY ${otherKey()}`)]);
    await unbound.flush();
    const changed = await postern('find', 'bob@b.test');
    expect(changed.code).toBe(65);
    expect(changed.stderr).toContain(`ANOTHER KEY FOR bob@b.test: pinned is ${fingerprint}, and DNS brings `);
    expect(changed.stderr).toContain('postern keys accept bob@b.test ');
  });

  /** A certificate that GnuPG makes for the same mailbox. */
  const otherKey = (): string => {
    using another = startGnuPg();
    another.makeKey('Somebody <bob@b.test>');
    return another.run(['--export', '<bob@b.test>']).stdout.toString('base64');
  };

  test('expired signatures are a temporary failure, and no other source is asked', async () => {
    expect(await find('bob@expired.test')).toMatchObject({
      code: 75,
      value: { error: { finding: 'failed', code: 'key-unanswered', looked: [{ source: 'dns' }] } },
    });
  });

  test('a proven denial and an unsigned zone go on to the next source', async () => {
    for (const mailbox of ['nobody@b.test', 'bob@unsigned.test'])
      expect(await find(mailbox)).toMatchObject({
        code: 65,
        value: {
          error: { finding: 'none', looked: [{ source: 'dns' }, { source: 'wkd' }, { source: 'keyring' }] },
        },
      });
  });

  test('the person’s own keyring is read where the order says so, and DNS is not asked', async () => {
    const keyring = await mkdtemp(join(tmpdir(), 'gpg-'));
    try {
      run('gpg', ['--homedir', keyring, '--batch', '--import'], gnupg.run(['--export']).stdout);
      const { configFile } = pathsUnder(home);
      const config = await readFile(configFile, 'utf8');
      await writeFile(configFile, config.replace('[keys]', `[keys]\ngnupg = "${keyring}"`));
      expect(await find('--source', 'keyring', 'bob@expired.test')).toMatchObject({
        code: 65,
        value: { error: { code: 'unvouched-key', finding: 'unvouched' } },
      });
      const owned = `${prints.get('bob@expired.test')}:6:\n`;
      run('gpg', ['--homedir', keyring, '--batch', '--import-ownertrust'], owned);
      expect(await find('--source', 'keyring', 'bob@expired.test')).toMatchObject({
        code: 0,
        value: {
          finding: 'new',
          source: 'keyring',
          looked: [{ source: 'keyring' }],
          candidates: [{ fingerprint: prints.get('bob@expired.test') }],
        },
      });
    } finally {
      run('gpgconf', ['--homedir', keyring, '--kill', 'all']);
      await rm(keyring, { recursive: true });
    }
  });
});
