import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

    test('from nothing to a domain that takes part', { timeout: 300_000 }, async () => {
      expect(blocks.length).toBeGreaterThan(10);
      for (const block of blocks) {
        const printed = await machine.type(block.commands);
        expect({ block, printed, missing: missingLine(block, printed) }).toMatchObject({
          missing: undefined,
        });
        await others(block, printed);
      }
    });
  },
);
