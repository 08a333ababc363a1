/* oxlint-disable vitest/expect-expect, vitest/no-conditional-expect -- helpers check what a listener says and what arrives; not every listener takes the same */
import { Wire } from '@postern/mail/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import { until } from '../debian.ts';
import {
  beginData,
  besiege,
  enter,
  hand,
  haveBesieged,
  inAndOut,
  kinds,
  leave,
  passed,
  passedSince,
  recipient,
} from './hostile.ts';

/** Clients that hold on to what they have, or let go of it in the middle. */
describe.skipIf(!haveBesieged).each(kinds)('clients of the %s listener', (kind) => {
  const siege = besiege(kind);
  beforeEach(() => siege.remember());

  test('R12 500 that say nothing, or an octet now and then, in the handshake, a command and the data: others are served, and they go', async () => {
    using idle = new DisposableStack();
    const addresses = Array.from({ length: 10 }, (_, n) => `127.0.2.${n + 1}`);
    const connected = await Promise.all(
      addresses.flatMap((from) =>
        Array.from({ length: 50 }, () => Wire.connect({ ...siege.listener.at, from })),
      ),
    );
    const silent = connected.map((wire) => idle.use(wire));
    await Promise.all(silent.map((wire) => wire.reply()));
    // A third each: before STARTTLS, behind it, and with the begin of a handshake that does not go on.
    const begun = silent.filter((_, n) => n % 3 > 0);
    await Promise.all(begun.map((wire) => wire.say('EHLO client.test').then(() => wire.say('STARTTLS'))));
    const hello = Buffer.concat([Buffer.from('160301020001', 'hex'), Buffer.alloc(100)]);
    await Promise.all(silent.filter((_, n) => n % 3 === 2).map((wire) => wire.write(hello)));

    const slow = idle.use(await enter(siege.listener));
    await beginData(slow, siege.listener);
    const octets = (await siege.carriage()).slice(0, 120);
    let at = 0;
    const drip = setInterval(() => void slow.write(octets[at++ % octets.length] ?? ''), 1_000);
    idle.defer(() => clearInterval(drip));

    await siege.onlyHonest();
    expect(silent.filter(({ gone }) => gone)).toEqual([]);
    // Behind a handshake that has begun nothing can be said.
    const slowAnswer = await slow.reply();
    expect(slowAnswer).toMatch(/^421 4\.4\.2/);
    const answers = await Promise.all(silent.map((wire) => wire.reply()));
    expect(new Set(answers.map((answer) => answer.slice(0, 9)))).toEqual(new Set(['421 4.4.2', 'closed']));
    expect(answers.filter((answer) => answer === 'closed')).toHaveLength(begun.length);
    expect(await siege.since(1)).toEqual(inAndOut(kind, 1));
  });

  test('R12 those of one address take each other’s places and nobody else’s', async () => {
    using flood = new DisposableStack();
    const wires: Wire[] = [];
    await inGroupsOf(20, range(0, 260), async () => {
      const wire = flood.use(await Wire.connect({ ...siege.listener.at, from: '127.0.3.1' }));
      expect(await wire.reply()).toMatch(/^220/);
      wires.push(wire);
    });
    await until(() => wires.filter(({ gone }) => gone).length >= 10);
    await siege.onlyHonest();
    expect(wires.slice(-200).filter(({ gone }) => gone)).toEqual([]);
  });

  test('R13 who never reads the answers is not read any further, and others are served', async () => {
    using wire = await enter(siege.listener);
    wire.socket.pause();
    const chunk = 'NOOP\r\n'.repeat(10_000);
    const memory = process.memoryUsage().rss;
    let taken = 0;
    const write = async (): Promise<void> => {
      for (; !wire.gone && taken < 6e7; taken += chunk.length) await wire.write(chunk);
    };
    const writing = write();
    let seen = -1;
    for (; seen !== taken; await siege.onlyHonest()) {
      seen = taken;
      await siege.remember();
    }
    // What the kernel and two sockets hold, and no more.
    expect(taken).toBeLessThan(3e7);
    expect(wire.gone).toBe(false);
    expect(process.memoryUsage().rss - memory).toBeLessThan(2e8);
    wire.cut();
    await writing;
  });

  test('R17 cut at any octet of the commands, or of the data: nothing of it is kept', async () => {
    const carriage = await siege.carriage();
    const commands = `MAIL FROM:<${siege.listener.from}>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n`;
    const session = `${commands}${carriage}.\r\n`;
    const end = session.length - '\r\n.\r\n'.length;
    const offsets = [
      ...range(0, commands.length),
      ...range(commands.length, commands.length + 100),
      ...range(commands.length + 100, end, 2_003),
      ...range(end - 40, session.length),
    ];
    await inGroupsOf(20, offsets, async (at) => {
      using wire = await enter(siege.listener);
      await wire.write(session.slice(0, Math.min(at, commands.length)));
      if (at < commands.length) return;
      for (const code of ['250', '250', '354']) expect((await wire.reply()).slice(0, 3)).toBe(code);
      await wire.write(session.slice(commands.length, at));
    });
    expect(await siege.since(0)).toEqual(inAndOut(kind, 0));
    await siege.onlyHonest();
  });

  test('R17 cut at any octet of what comes before a session: nobody is in', async () => {
    const clear = 'EHLO client.test\r\nSTARTTLS\r\n';
    for (const at of range(0, clear.length)) {
      using wire = await Wire.connect(siege.listener.at);
      await wire.reply();
      await wire.write(clear.slice(0, at));
    }
    if (siege.listener.auth !== undefined) {
      for (const at of range(0, siege.listener.auth.length)) {
        using wire = await enter({ ...siege.listener, auth: undefined });
        await wire.write(siege.listener.auth.slice(0, at));
      }
    }
    await siege.onlyHonest();
  });

  test('R17 cut behind the end of the data and before the answer, and sent again: it arrives once', async () => {
    for (let time = 0; time < 5; time += 1) {
      const own = await passed(siege.domains);
      const carriage = await siege.carriage();
      const wire = await enter(siege.listener);
      await beginData(wire, siege.listener);
      await wire.write(`${carriage}.\r\n`);
      wire.cut();
      using again = await enter(siege.listener);
      expect(await hand(siege.listener, again, carriage)).toMatch(/^250 2\.6\.0/);
      await leave(again);
      const { bob, alice, foreign } = await passedSince(siege.domains, own, 1);
      expect({ bob, alice, foreign }).toEqual({ bob: 1, alice: 0, foreign: [] });
    }
  });
});

function range(from: number, to: number, step = 1): number[] {
  return Array.from({ length: Math.ceil((to - from) / step) }, (_, n) => from + n * step);
}

async function inGroupsOf<T>(
  size: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += size) await Promise.all(items.slice(at, at + size).map(work));
}
