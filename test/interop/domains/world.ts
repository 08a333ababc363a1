import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spkiPin } from '@postern/mail';
import { nodeArguments, type Program } from '@postern/testkit';
import { openFolder, until } from '../debian.ts';
import { startKnot } from '../knot.ts';
import { type Namespace, startNamespace } from '../namespace.ts';
import { startUnbound } from '../unbound.ts';

/** All that a new domain finds: a directory with three mixes, root and `example` zones that are signed, and an author elsewhere. */
export interface World extends AsyncDisposable {
  readonly namespace: Namespace;
  readonly directory: { readonly url: string; readonly key: string };
  /** Path of the root zone's key. */
  readonly rootKey: string;
  /** Addresses of the root's name servers, as everybody's resolver knows them. */
  readonly roots: readonly string[];
  /** Starts it, once its addresses are there. */
  start(): Promise<void>;
  /** Delegates `b.example`, as a registrar does with what its owner hands in. */
  delegate(address: string, ds: readonly string[]): Promise<void>;
  /** The program of `alice@a.example`. */
  alice(args: readonly string[], input?: string): Promise<string>;
}

const worldAddress = '198.51.100.1';

export async function startWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const started = { stack: new AsyncDisposableStack() };
  const folder = await openFolder('world');
  stack.defer(() => rm(folder, { recursive: true }));
  const namespace = stack.use(await startNamespace({ resolver: '127.0.0.53' }));
  const run = async (program: Program, args: readonly string[], input = ''): Promise<string> =>
    String(await namespace.run(process.execPath, [...nodeArguments(program), ...args], { input }));
  const keep = (program: Program, config: string): void => {
    const child = namespace.startProgram(program, ['run', '--config', join(folder, config)]);
    const ended = once(child, 'exit');
    started.stack.defer(async () => {
      child.kill();
      await ended;
    });
  };

  const url = `http://${worldAddress}:8440`;
  const authority = ['--config', join(folder, 'directory.toml'), '--listen', `${worldAddress}:8440`];
  const key = (
    await run('postern-directory', [
      'init',
      '--name',
      'directory.example',
      ...authority,
      '--bootstrap-nodes',
      '5',
    ])
  ).trim();
  const init = (name: string, port: number, more: readonly string[] = []): Promise<string> => {
    const files = [
      '--config',
      join(folder, `${name}.toml`),
      '--dir',
      name,
      '--listen',
      `${worldAddress}:${port}`,
    ];
    return run('postern-node', [
      'init',
      '--name',
      name,
      ...files,
      '--directory-url',
      url,
      '--authority',
      key,
      ...more,
    ]);
  };
  const mixes = ['mix1.example', 'mix2.example', 'mix3.example'];
  for (const [at, name] of mixes.entries()) await init(name, 2601 + at);
  const gateway = [
    '--role',
    'delivery',
    'submission',
    '--domain',
    'a.example',
    '--submission',
    `${worldAddress}:587`,
  ];
  const mailboxes = ['--maildir', join(folder, 'mail', '{local}'), '--mailbox', 'alice'];
  await init('mx.a.example', 25, [...gateway, ...mailboxes]);
  const config = ['--config', join(folder, 'mx.a.example.toml')];
  await run('postern-node', ['author', 'set', 'alice', ...config], 'of alice\n');
  await writeFile(join(folder, 'password'), 'of alice\n', { mode: 0o600 });
  const records = (
    await run('postern-node', [
      'dns',
      'zone',
      ...config,
      '--mx',
      'mx.a.example',
      '--mx-cert',
      join(folder, 'mx.a.example', 'tls.crt'),
    ])
  )
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';'));
  const hints = await readFile('/usr/share/dns/root.hints', 'utf8');
  const roots = [...hints.matchAll(/\sA\s+([\d.]+)$/gm)].map(([, address = '']) => address);
  const rootKey = join(folder, 'root.key');
  await writeFile(rootKey, '');
  const home = join(folder, 'alice');
  await mkdir(home);
  const alice: World['alice'] = (args, input) => run('postern', ['--home', home, ...args], input);
  let delegateTo: World['delegate'] = async () => undefined;
  started.stack = stack.move();
  return {
    namespace,
    directory: { url, key },
    rootKey,
    roots,
    start: async () => {
      const { stack: live } = started;
      const knot = live.use(
        await startKnot({
          zones: [
            { name: '.', records: [`ns.postern.invalid. A ${worldAddress}`] },
            { name: 'example' },
            { name: 'a.example', records: [...records, `mx A ${worldAddress}`] },
          ],
          listen: [worldAddress, ...roots],
          place: namespace,
        }),
      );
      await writeFile(rootKey, `${knot.anchors}\n`);
      const stubs = [{ zone: '.', address: knot.address }];
      live.use(
        await startUnbound({
          root: knot.anchors,
          stubs,
          listen: { host: '127.0.0.53', port: 53 },
          place: namespace,
        }),
      );
      delegateTo = (address, ds) => knot.change('example', ['b NS ns.b', `ns.b A ${address}`, ...ds]);
      keep('postern-directory', 'directory.toml');
      await until(async () => (await namespace.call('/usr/bin/curl', ['--silent', url])).code === 0);
      for (const name of [...mixes, 'mx.a.example']) keep('postern-node', `${name}.toml`);
      const author = ['--mailbox', 'alice@a.example', '--submission', `${worldAddress}:587`];
      const pin = spkiPin(await readFile(join(folder, 'mx.a.example', 'tls.crt'), 'utf8'));
      const login = ['--submission-pin', pin, '--password-file', join(folder, 'password')];
      await alice(['init', ...author, ...login, '--directory-url', url, '--authority', key]);
      await alice(['keys', 'generate', '--no-passphrase']);
    },
    delegate: (address, ds) => delegateTo(address, ds),
    alice,
    [Symbol.asyncDispose]: () => started.stack.disposeAsync(),
  };
}
