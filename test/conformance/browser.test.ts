import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('with the browser condition, packets are built and peeled without any Node module', () => {
  const program = fileURLToPath(new URL('./browser.ts', import.meta.url));
  const conditions = ['--conditions=browser', '--conditions=@postern/source'];
  const printed = execFileSync(process.execPath, [...conditions, program], { encoding: 'utf8' });
  expect(JSON.parse(printed)).toEqual({
    vectors: [
      'forward, suite 1',
      'reply, suite 1',
      'forward, suite 2',
      'reply, suite 2',
      'forward over one hop',
    ],
    agreed: true,
    replied: true,
    nodeModules: [],
  });
});
