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
      if (printed.includes('BEGIN PGP PUBLIC KEY')) await writeFromElsewhere(printed);
    };

    const writeFromElsewhere = async (key: string): Promise<void> => {
      await world.alice(['keys', 'import', '-'], key);
      for (const mode of ['mix', 'direct']) {
        const lines = ['From: alice@a.example', 'To: bob@b.example', `Subject: From elsewhere by ${mode}`];
        await world.alice(['send', '--mode', mode, '-'], [...lines, '', 'Hello.', ''].join('\n'));
      }
    };

    test('the page has blocks to type', () => {
      expect(blocks.length).toBeGreaterThan(10);
    });

    for (const [at, block] of blocks.entries())
      test(`${block.section}, block ${at + 1}`, async () => {
        const printed = await machine.type(block.commands);
        expect({ block, printed, missing: missingLine(block, printed) }).toMatchObject({
          missing: undefined,
        });
        await others(block, printed);
      });

    test('what is written elsewhere arrives each way', async () => {
      const maildir = '/var/vmail/b.example/bob/Maildir';
      for (const mode of ['mix', 'direct']) {
        const subject = `Subject: From elsewhere by ${mode}`;
        const open = `postern --home /root/bob open --maildir ${maildir} 2> /dev/null`;
        expect(await machine.type(`until ${open} | grep '^${subject}'; do sleep 1; done`)).toContain(subject);
      }
    });

    test('a record that was written anew and not published is found out', async () => {
      const command = 'runuser -u postern -- postern-node domain';
      const config = '--config /etc/postern/node.toml';
      await machine.type(`${command} renew --holds 30d ${config}`);
      const printed = await machine.type(
        `${command} check --json ${config} 2> /dev/null || echo "ended with $?"`,
      );
      const [, json = '', code] = /^(\{.*\})\nended with (\d+)$/ms.exec(printed) ?? [];
      const { findings } = JSON.parse(json) as { findings: { about: string; holds: boolean }[] };
      const bad = findings.filter(({ holds }) => !holds).map(({ about }) => about);
      expect({ bad, code }).toEqual({ bad: ['record', 'expiry'], code: '1' });
    });
  },
);
