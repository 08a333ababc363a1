import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const module = JSON.stringify(new URL('../bin/start.js', import.meta.url).href);

/** Starts a command under a Node that says it is of this version. */
function startUnder(version: string): { status: number | null; stdout: string; stderr: string } {
  const program = `
    const versions = { ...process.versions, node: '${version}' };
    Object.defineProperty(process, 'versions', { value: versions });
    const { start } = await import(${module});
    await start('postern-example', async () => process.stdout.write('loaded'));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test.each(['24.0.0', '26.1.0'])('under Node %s a command loads its program', (version) => {
  expect(startUnder(version)).toEqual({ status: 0, stdout: 'loaded', stderr: '' });
});

test('under an older Node it says how to run it, and loads nothing', () => {
  const { status, stdout, stderr } = startUnder('20.11.0');
  expect({ status, stdout }).toEqual({ status: 78, stdout: '' });
  expect(stderr).toBe(
    'postern-example: needs Node 24, this is 20.11.0\n  Run it as: npx postern-example (npx finds the Node that npm ci has brought)\n',
  );
});
