import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { haveNamespaces, startNamespace } from './namespace.ts';

const resolver = '127.0.0.53';

describe.skipIf(!haveNamespaces)('a namespace of one’s own', () => {
  test('has every port free, also while another has it, and a resolv.conf that nobody else sees', async () => {
    const outside = await readFile('/etc/resolv.conf', 'utf8');
    const ports = [25, 53, 465, 587];
    const program = `
      const { createServer } = require('node:net');
      let waiting = ${ports.length};
      for (const port of ${JSON.stringify(ports)})
        createServer().listen(port, '127.0.0.1', () => {
          waiting -= 1;
          if (waiting === 0) console.log(JSON.stringify(require('node:dns').getServers()));
        });`;
    const started = await Promise.all(
      ['one', 'other'].map(async () => {
        const namespace = await startNamespace({ resolver });
        const node = namespace.start(process.execPath, ['-e', program], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        return { namespace, node };
      }),
    );
    for (const { namespace, node } of started) {
      const printed = await new Promise((resolve) => node.stdout?.once('data', resolve));
      expect(JSON.parse(String(printed))).toEqual([resolver]);
      expect(String(await namespace.run('/bin/cat', ['/etc/resolv.conf']))).toBe(`nameserver ${resolver}\n`);
      const ended = new Promise((resolve) => node.once('exit', resolve));
      node.kill();
      await ended;
      await namespace[Symbol.asyncDispose]();
    }
    expect(await readFile('/etc/resolv.conf', 'utf8')).toBe(outside);
  });

  test('says how a program ended, and takes what it reads', async () => {
    await using namespace = await startNamespace({ resolver });
    const { code, stdout } = await namespace.call('/bin/sh', ['-c', 'cat; exit 7'], { input: 'in' });
    expect([code, stdout.toString()]).toEqual([7, 'in']);
    await expect(namespace.run('/bin/false', [])).rejects.toThrow('/bin/false');
  });

  test('runs our commands', async () => {
    await using namespace = await startNamespace({ resolver });
    const program = namespace.startProgram('postern-node', ['--help']);
    expect(await new Promise((resolve) => program.once('exit', resolve))).toBe(0);
  });
});
