import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { freePorts, nodeArguments, until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Block, missingLine, readBlocks } from './domains/page.ts';

const tree = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
let folder = '';
const operators: Operator[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'operators-'));
});
afterAll(async () => {
  await Promise.all(operators.map((operator) => operator.end()));
  await rm(folder, { recursive: true });
});

test('an authority and three mixes, as their pages set them up, are a network', async () => {
  const [authorityPort = 0, ...mixPorts] = await freePorts(4);
  const authority = await newOperator('authority', authorityPort);
  const printed = await authority.type(await readBlocks('authority.md'), { NODES: '3' });
  const directory = {
    DIRECTORY_URL: `http://127.0.0.1:${authorityPort}`,
    DIRECTORY_KEY: /^directory\.example\+.*$/m.exec(printed)?.[0] ?? '',
  };
  const page = await readBlocks('operations/mix.md');
  const ids = await Promise.all(
    mixPorts.map(async (port, at) => {
      const name = `mix${at + 1}.example`;
      const mix = await newOperator(name, port);
      const said = await mix.type(page, { NAME: name, FAMILY: `operator${at + 1}`, ...directory });
      return /^[0-9a-f]{64}$/m.exec(said)?.[0];
    }),
  );
  expect(new Set(ids).size).toBe(3);
  const consensus = await fetch(`${directory.DIRECTORY_URL}/v1/consensus`);
  const listed = await consensus.text();
  for (const at of [1, 2, 3]) expect(listed).toContain(`mix${at}.example`);
}, 300_000);

interface Operator {
  /** Types blocks in one shell, with these names in place of the page's own, and gives all that is printed. Throws for a promised line that is not. */
  type(blocks: readonly Block[], names: Readonly<Record<string, string>>): Promise<string>;
  /** Ends what was started. */
  end(): Promise<void>;
}

/** Whoever types a page without being root: folders and the port are others, and what Debian's commands would do is left out. */
async function newOperator(name: string, port: number): Promise<Operator> {
  const own = join(folder, name);
  const bin = join(own, 'bin');
  const pids = join(own, 'pids');
  await mkdir(join(own, 'nginx', 'sites-available'), { recursive: true });
  await mkdir(join(own, 'nginx', 'sites-enabled'));
  await mkdir(bin);
  const elsewhere = (text: string): string =>
    [
      ['/opt/postern/node_modules/.bin', bin],
      ['/opt/postern', tree],
      ['/etc/postern', join(own, 'etc')],
      ['/etc/systemd/system', own],
      ['/etc/nginx', join(own, 'nginx')],
      ['/var/lib/postern', join(own, 'data')],
      ['0.0.0.0:25', `127.0.0.1:${port}`],
      ['$NAME:25', `$NAME:${port}`],
      ['127.0.0.1:8440', `127.0.0.1:${port}`],
    ].reduce((all, [from = '', to = '']) => all.replaceAll(from, to), text);
  const start = `sed -n 's/^ExecStart=[^ ]* //p' "${own}/$3.service"`;
  const commands = {
    'postern-node': `exec ${[process.execPath, ...nodeArguments('postern-node')].join(' ')} "$@"`,
    'postern-directory': `exec ${[process.execPath, ...nodeArguments('postern-directory')].join(' ')} "$@"`,
    runuser: 'shift 3; exec "$@"',
    install: 'for name; do :; done; mkdir -p -m 700 "$name"',
    cp: `sed -e 's|/opt/postern/node_modules/.bin|${bin}|g; s|/etc/postern|${join(own, 'etc')}|g' "$1" > "$2/\${1##*/}"`,
    systemctl: `[ "$1" = enable ] || exit 0\n$(${start}) > "${own}/log" 2>&1 &\necho $! >> "${pids}"`,
    ...Object.fromEntries(['apt-get', 'npm', 'adduser', 'certbot'].map((name) => [name, ':'])),
  };
  for (const [command, lines] of Object.entries(commands)) {
    await writeFile(join(bin, command), `#!/bin/sh\n${lines}\n`);
    await chmod(join(bin, command), 0o755);
  }
  const shells: ChildProcess[] = [];
  const operator: Operator = {
    async type(blocks, names) {
      const given = Object.entries(names).map(([key, value]) => `${key}='${value}'`);
      const typed = blocks.map(({ commands: block }) => {
        const others = /^NAME=/m.test(block) ? given : [];
        return [elsewhere(block), ...others, `echo '${mark}'`].join('\n');
      });
      const shell = spawn('/bin/bash', ['-ec', `cd '${tree}'; exec 2>&1\n${typed.join('\n')}`], {
        env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      shells.push(shell);
      const printed = await text(shell.stdout);
      const parts = printed.split(`${mark}\n`);
      for (const [at, block] of blocks.entries()) {
        const promised = { ...block, prints: block.prints.map(elsewhere) };
        const missing = missingLine(promised, parts[at] ?? '');
        expect({ block, printed, missing }).toMatchObject({ missing: undefined });
      }
      // The last block came to its end.
      expect({ printed, blocks: parts.length - 1 }).toMatchObject({ blocks: blocks.length });
      return printed;
    },
    async end() {
      for (const shell of shells) shell.kill();
      const started = (await readFile(pids, 'utf8').catch(() => '')).split('\n').filter(Boolean).map(Number);
      for (const pid of started) {
        signal(pid, 'SIGTERM');
        await until(() => Promise.resolve(!signal(pid, 0)), { what: `${name} has ended` });
      }
    },
  };
  operators.push(operator);
  return operator;
}

const mark = '-- end of the block --';

/** False once there is no such process. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
