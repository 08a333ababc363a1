import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../debian.ts';
import { haveKnot } from '../knot.ts';
import { haveMailHost } from '../mailhost.ts';
import { haveNamespaces } from '../namespace.ts';
import { haveUnbound } from '../unbound.ts';
import { type Machine, startMachine } from './machine.ts';
import { type Block, missingLine, readBlocks } from './page.ts';
import { startWorld, type World } from './world.ts';

const address = '198.51.100.2';
const blocks = await readBlocks('operations/gateway.md');

/** A new operator, who types what the page says, in its order, and nothing else. */
describe.skipIf(!haveNamespaces || !haveMailHost || !haveKnot || !haveUnbound)(
  'a gateway as its page sets it up',
  () => {
    const stack = new AsyncDisposableStack();
    let world: World;
    let machine: Machine;

    beforeAll(async () => {
      world = stack.use(await startWorld());
      const { namespace, rootKey, roots } = world;
      machine = stack.use(await startMachine({ neighbour: namespace, address, routes: roots, rootKey }));
      await world.start();
    });
    afterAll(() => stack.disposeAsync());

    /** What others do about it: the directory's operator tells where it is, the registrar takes the zone's key. */
    const others = async (block: Block, printed: string): Promise<void> => {
      const { url, key } = world.directory;
      if (block.commands.includes('DIRECTORY_KEY='))
        await machine.type(`DIRECTORY_URL='${url}' DIRECTORY_KEY='${key}'`);
      const ds = printed.match(/^b\.example\. DS .*$/gm);
      if (ds !== null) await world.delegate(address, ds);
    };

    test('from nothing to the first message', { timeout: 300_000 }, async () => {
      expect(blocks.length).toBeGreaterThan(10);
      for (const block of blocks) {
        const printed = await machine.type(block.commands);
        expect({ block, printed, missing: missingLine(block, printed) }).toMatchObject({
          missing: undefined,
        });
        await others(block, printed);
      }
    });

    test.each(['mix', 'direct'])(
      'and an author elsewhere writes to it, %s',
      { timeout: 120_000 },
      async (mode) => {
        const certificate = await machine.type('postern --home /root/bob keys export bob@b.example');
        await world.alice(['keys', 'import', '-'], certificate);
        const letter = `From: alice@a.example\nTo: bob@b.example\nSubject: From elsewhere, ${mode}\n\nHello.\n`;
        await world.alice(['send', '--mode', mode, '-'], letter);
        const open = 'postern --home /root/bob open --maildir /var/vmail/b.example/bob/Maildir 2> /dev/null';
        await until(async () => (await machine.type(`${open} || true`)).includes(`From elsewhere, ${mode}`));
      },
    );
  },
);
