import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SendOutcome } from '@postern/client';
import { startTestNetwork, type TestNetwork, writeLetter } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const alice = 'alice@a.test';
const bob = 'bob@b.test';

describe('what cannot be sent is refused before anything is stored or sent', () => {
  let net: TestNetwork;
  beforeAll(async () => {
    net = await startTestNetwork({ mixes: 3, probe: true });
  }, 180_000);
  afterAll(() => net[Symbol.asyncDispose]());

  const letter = (to: readonly string[] = [bob], seed = 'letter') =>
    writeLetter({ from: alice, to, date: new Date(net.clock.now()), attachmentBytes: 10_000, seed }).message;

  /** What there is to say, having checked that nothing was done. */
  async function refused(send: () => Promise<SendOutcome>) {
    const sendings = net.recorder.sendings.length;
    const outcome = await send();
    expect(net.recorder.sendings).toHaveLength(sendings);
    expect(await net.client(alice).outbox.list()).toEqual([]);
    const { paths } = net.person(alice);
    expect(await readdir(paths.outbox).catch(() => [])).toEqual([]);
    if (outcome.kind !== 'refused') throw new Error('it was sent');
    for (const { message, hint } of outcome.problems) {
      expect(message.length).toBeGreaterThan(10);
      expect(hint.length).toBeGreaterThan(10);
    }
    return outcome.problems;
  }

  test('a recipient without key: who, and how to get one', async () => {
    const problems = await refused(() => net.client(alice).send(letter([bob, 'mallory@b.test'])));
    expect(problems).toMatchObject([{ code: 'no-recipient-key', mailbox: 'mallory@b.test' }]);
    expect(problems[0]?.hint).toContain('postern keys import');
  });

  test('a domain that nobody has pinned', async () => {
    const problems = await refused(() => net.client(alice).send(letter(['eve@elsewhere.test'])));
    expect(problems.map(({ code }) => code)).toContain('domain-not-pinned');
    expect(problems.map(({ hint }) => hint).join()).toContain('postern domain pin');
  });

  test('a message of more than 25,000,000 bytes', async () => {
    const message = Buffer.concat([
      letter(),
      Buffer.alloc(25_000_000, 'line of seventy-six octets'.repeat(2).concat('\r\n')),
    ]);
    const problems = await refused(() => net.client(alice).send(message));
    expect(new Set(problems.map(({ code }) => code))).toEqual(new Set(['too-large']));
    expect(problems[0]?.message).toMatch(/25/);
  });

  test('a message from a mailbox that is not the author’s', async () => {
    const forged = writeLetter({
      from: bob,
      to: [bob],
      date: new Date(net.clock.now()),
      attachmentBytes: 10,
    });
    const problems = await refused(() => net.client(alice).send(forged.message));
    expect(problems.map(({ code }) => code)).toEqual(['not-own-mailbox']);
  });

  test('another key at the other end of the wire: nothing is given to it, nothing is lost, and it goes on later', async () => {
    const { consensus } = await net.client(alice).route();
    const nameAt = (layer: number) => consensus.nodes.find((node) => node.layer === layer)?.name ?? '';
    const [first, other] = [net.node(nameAt(1)), net.node(nameAt(2))];
    const { running } = first;
    if (running === undefined || other.running === undefined) throw new Error('they do not run');
    const message = letter([bob], 'pinned');

    first.tap.leadTo(other.running.smtp);
    const sent = await net.client(alice).send(message);
    expect(sent).toMatchObject({
      kind: 'sent',
      submitted: 0,
      held: [{ reason: 'wrong-pin', node: first.name }],
    });
    const wire = first.tap.connections.at(-1)?.chunks ?? [];
    const given = wire
      .filter(({ direction }) => direction === 'in')
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
    // Two EHLOs and a handshake: not a packet.
    expect(given).toBeLessThan(8_000);
    expect((await net.client(alice).outbox.list()).map(({ packets }) => packets)).toEqual([
      sent.kind === 'sent' ? sent.pending : 0,
    ]);

    first.tap.leadTo(running.smtp);
    expect(await net.client(alice).flush()).toMatchObject({ pending: 0 });
    await net.drain();
    expect(await net.client(alice).outbox.list()).toEqual([]);
    const [delivered] = await net.delivered(bob);
    const opened = await net.client(bob).open(delivered?.bytes ?? Buffer.alloc(0));
    expect(opened.kind === 'opened' && message.equals(opened.message)).toBe(true);
  });

  test('a layer whose only mix the authority cannot reach: which one; once it is back the message goes', async () => {
    const { consensus } = await net.client(alice).route();
    const { id = '', name = '' } = consensus.nodes.find(({ layer }) => layer === 2) ?? {};
    const missed = () => net.authority.status().outages.missed;
    /** Lets time pass until the authority says so: what it tries takes its own time. */
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) {
        await net.clock.advanceBy(2_000);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      // longer than notices do
      await net.clock.advanceBy(180_000);
    };
    await until(() => net.authority.status().outages.by.length > 0);
    expect(missed()).toEqual([]);
    await net.node(name).stop();
    await until(() => missed().length > 0);
    expect(missed()).toEqual([{ id, name, by: ['authority.test'], out: true }]);
    const problems = await refused(() => net.client(alice).send(letter([bob], 'out')));
    expect(problems).toMatchObject([{ code: 'no-route', exitCode: 75 }]);
    expect(problems[0]?.message).toMatch(`now: the authorities cannot reach ${name}`);
    const { explanation } = await net.client(alice).route();
    const without = explanation.layers.filter(({ eligible }) => eligible.length === 0);
    expect(without.flatMap(({ excluded }) => excluded)).toContainEqual({ id, name, why: 'out-of-reach' });

    await net.node(name).start();
    await until(() => missed().length === 0);
    const sent = await net.client(alice).send(letter([bob], 'back'));
    expect(sent).toMatchObject({ kind: 'sent', pending: 0 });
    await net.drain();
  });

  // The last one: the authority and the nodes do not come back.
  test('a consensus that has expired, and a directory that gives no other', async () => {
    const before = await net.delivered(bob);
    await net.authority.close();
    // The nodes would ask for a consensus again and again for all that time.
    await Promise.all(net.nodes.map((node) => node.stop()));
    await net.clock.advanceBy(4 * 3_600_000);
    await refused(() => net.client(alice).send(letter())).then((problems) => {
      expect(problems.map(({ code }) => code)).toEqual(['no-consensus']);
    });
    // Without its cache it is no better off.
    await rm(join(net.person(alice).paths.consensus, 'consensus'));
    await refused(() => net.client(alice).send(letter()));
    expect(await net.delivered(bob)).toHaveLength(before.length);
  });
});
