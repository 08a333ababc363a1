import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ExitCode } from '@postern/runtime';
import { expect, test } from 'vitest';
import { files, read, root } from './tree.ts';

const codes = Object.values(ExitCode);

test.each([
  ['postern', 'packages/client/src/main.ts'],
  ['postern-node', 'packages/node/src/main.ts'],
  ['postern-directory', 'packages/directory/src/main.ts'],
  ['testnet', 'packages/testkit/src/testnet/main.ts'],
  ['demo', 'packages/testkit/src/demo/main.ts'],
])('%s --help lists every exit code', (_name, program) => {
  const args = ['--conditions=@postern/source', join(root, program), '--help'];
  const help = execFileSync(process.execPath, args, { encoding: 'utf8' });
  const table = help.slice(help.indexOf('\nExit codes:'));
  expect([...table.matchAll(/^ {2}(\d+) +\S/gm)].map(([, code]) => Number(code))).toEqual(codes);
});

test('the page on postern has the same table', () => {
  const [, section = ''] = /^## Exit codes$(.*?)^## /ms.exec(read('docs/client.md')) ?? [];
  expect([...section.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code))).toEqual(codes);
});

test('no program ends with another', () => {
  const sources = files('packages/*/src/**/*.ts', 'packages/*/bin/*.js', 'test/bench/*.ts');
  const literals = sources
    .filter((path) => !path.endsWith('.test.ts'))
    .flatMap((path) =>
      [...read(path).matchAll(/exitCode\b[^;{}\n]*?(?:=|:|\?\?) *(\d+)/g)].map(([, code]) => ({
        path,
        code: Number(code),
      })),
    );
  expect(literals.length).toBeGreaterThan(0);
  expect(literals.filter(({ code }) => !codes.some((known) => known === code))).toEqual([]);
});
