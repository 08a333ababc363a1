/* oxlint-disable vitest/expect-expect -- a conversation checks what the server says */
import { setInterval } from 'node:timers/promises';
import { Wire } from '@postern/mail/testing';
import { describe, expect, test } from 'vitest';
import { conversation, converse, overTls, transaction, upToData } from './conversation.ts';
import { openInbox, text } from './inbox.ts';

describe('R11 size', () => {
  test('R11 a declared size over the limit is refused at MAIL', async () => {
    await using inbox = await openInbox({ maxBytes: 1000 });
    await conversation(
      inbox.port,
      `${overTls}
      C: MAIL FROM:<secure@a.test> SIZE=1001
      S: 552 5.3.4
      C: MAIL FROM:<secure@a.test> SIZE=1000
      S: 250`,
    );
  });

  test('R11 a lie is found at the first octet too many, and the session goes on', async () => {
    await using inbox = await openInbox({ maxBytes: 1000 });
    const lying = `
      C: MAIL FROM:<secure@a.test> SIZE=10
      S: 250
      C: RCPT TO:<secure@mx.test>
      S: 250
      C: DATA
      S: 354`;
    await conversation(
      inbox.port,
      `${overTls}${lying}
      C! ${'x'.repeat(998)}\\r\\n.\\r\\n
      S: 250 2.6.0
      ${lying}
      C! ${'x'.repeat(998)}\\r\\ny\\r\\n.\\r\\n
      S: 552 5.3.4
      C: NOOP
      S: 250`,
    );
    expect(inbox.messages.map(({ bytes }) => bytes.length)).toEqual([1000]);
  });

  test('R11 declared 10, sent without end: cut soon after the limit', async () => {
    await using inbox = await openInbox({ maxBytes: 1000, limits: { drainMs: 1000 } });
    using wire = await Wire.connect({ port: inbox.port, rude: true });
    await converse(wire, upToData);
    let sent = 0;
    const chunk = Buffer.from(`${'x'.repeat(62)}\r\n`.repeat(1024), 'latin1');
    const answer = wire.reply();
    for (; !wire.socket.destroyed && sent < 1e9; sent += chunk.length) await wire.write(chunk);
    expect(await answer).toMatch(/^552 5\.3\.4/);
    expect(sent).toBeLessThan(5e7);
    expect(inbox.messages).toEqual([]);
  });
});

describe.concurrent('R12 slow clients', () => {
  const patient = {
    tlsMs: 60_000,
    commandMs: 60_000,
    dataMs: 60_000,
    sessionMs: 60_000,
    rateWindowMs: 60_000,
  };

  /** Sends one octet now and then until the server ends it; returns what it said. */
  async function drip(wire: Wire, octets: Iterable<number>): Promise<string> {
    const answer = wire.reply();
    const over = answer.then(() => true);
    const supply = octets[Symbol.iterator]();
    for await (const _ of setInterval(5)) {
      const { value, done } = supply.next();
      if (done === true) break;
      if (await Promise.race([over, wire.write(Uint8Array.of(value)).then(() => false)])) break;
    }
    return await answer;
  }

  test('R12 an octet now and then in a command', async () => {
    await using inbox = await openInbox({ limits: { ...patient, commandMs: 1000 } });
    using wire = await Wire.connect({ port: inbox.port });
    await converse(wire, overTls);
    expect(await drip(wire, Buffer.from(`NOOP ${'x'.repeat(1000)}`))).toMatch(/^421 4\.4\.2/);
  });

  test('R12 an octet now and then in data: too slow in any window', async () => {
    await using inbox = await openInbox({
      limits: { ...patient, rateWindowMs: 100, minBytesPerSecond: 1000 },
    });
    using wire = await Wire.connect({ port: inbox.port });
    await converse(wire, upToData);
    expect(await drip(wire, Buffer.from('x\r\n'.repeat(10_000)))).toMatch(/^421 4\.4\.2/);
    expect(inbox.messages).toEqual([]);
  });

  test('R12 data fast enough for the window, but without end', async () => {
    await using inbox = await openInbox({
      limits: { ...patient, dataMs: 200, rateWindowMs: 50, minBytesPerSecond: 20 },
    });
    using wire = await Wire.connect({ port: inbox.port });
    await converse(wire, upToData);
    expect(await drip(wire, Buffer.from('x\r\n'.repeat(10_000)))).toMatch(/^421 4\.4\.2/);
  });

  test('R12 an octet now and then in the TLS handshake', async () => {
    await using inbox = await openInbox({ limits: { ...patient, tlsMs: 1000 } });
    using wire = await Wire.connect({ port: inbox.port });
    await converse(wire, 'S: 220\n C: EHLO client.test\n S: 250\n C: STARTTLS\n S: 220');
    const hello = Buffer.concat([Buffer.from('160301020001', 'hex'), Buffer.alloc(511)]);
    expect(await drip(wire, hello)).toBe('closed');
  });

  test('R12 silence before TLS', async () => {
    await using inbox = await openInbox({ limits: { ...patient, tlsMs: 1000 } });
    await conversation(inbox.port, 'S: 220\n C: EHLO client.test\n S: 250\n S: 421 4.4.2\n S: closed');
  });

  test('R12 a session that is never done', async () => {
    await using inbox = await openInbox({ limits: { ...patient, sessionMs: 1500 } });
    using wire = await Wire.connect({ port: inbox.port });
    await converse(wire, overTls);
    let reply = '250';
    while (reply.startsWith('250')) {
      await wire.write('NOOP\r\n');
      reply = await wire.reply();
    }
    expect(reply).toMatch(/^421 4\.4\.2/);
  });

  test('R12 the session’s end waits for the message in hand', async () => {
    const taken = Promise.withResolvers<{ kind: 'accepted' }>();
    await using inbox = await openInbox({
      limits: { ...patient, sessionMs: 1500 },
      onMessage: () => taken.promise,
    });
    using idle = await Wire.connect({ port: inbox.port });
    using busy = await Wire.connect({ port: inbox.port });
    await converse(busy, `${upToData}\n C! x\\r\\n.\\r\\n`);
    await idle.closed(); // the same age: its time is over
    taken.resolve({ kind: 'accepted' });
    await converse(busy, 'S: 250 2.6.0\n S: 421\n S: closed');
  });

  test('R12 500 idle clients do not keep others from being served', async () => {
    await using inbox = await openInbox({
      limits: { ...patient, tlsMs: 5000, maxConnectionsPerRemote: 1000 },
    });
    const idle = await Promise.all(Array.from({ length: 500 }, () => Wire.connect({ port: inbox.port })));
    await Promise.all(idle.map((wire) => converse(wire, 'S: 220')));
    await conversation(inbox.port, `${upToData}\n C! served\\r\\n.\\r\\n\n S: 250`);
    expect(inbox.messages.map(text)).toEqual(['served\r\n']);
    const answers = await Promise.all(idle.map((wire) => wire.reply()));
    expect(new Set(answers.map((answer) => answer.slice(0, 9)))).toEqual(new Set(['421 4.4.2']));
    for (const wire of idle) wire.cut();
  });

  test('R12 when the server is full the session longest without a message makes place', async () => {
    await using inbox = await openInbox({ limits: { ...patient, maxConnections: 2 } });
    using one = await Wire.connect({ port: inbox.port, from: '127.0.0.2' });
    await converse(one, overTls);
    using two = await Wire.connect({ port: inbox.port, from: '127.0.0.3' });
    await converse(two, overTls);
    await converse(one, `${transaction}\n C! x\\r\\n.\\r\\n\n S: 250`);
    await conversation(inbox.port, `${upToData}\n C! served\\r\\n.\\r\\n\n S: 250`);
    await converse(two, 'S: 421 4.3.2\n S: closed');
    await converse(one, 'C: NOOP\n S: 250');
  });

  test('R12 messages without end from a few networks keep nobody out, and cut nobody else’s off', async () => {
    await using inbox = await openInbox({
      limits: { ...patient, maxConnections: 4, maxConnectionsPerRemote: 2 },
    });
    using flood = new DisposableStack();
    const sending = async (from: string): Promise<Wire> => {
      const wire = flood.use(await Wire.connect({ port: inbox.port, from }));
      await converse(wire, `${upToData}\n C! x\\r\\n`);
      return wire;
    };
    const oldest = await sending('127.0.0.2');
    for (const from of ['127.0.0.2', '127.0.0.3', '127.0.0.3']) await sending(from);
    using honest = await Wire.connect({ port: inbox.port, from: '127.0.0.9' });
    await converse(honest, `${upToData}\n C! honest\\r\\n`);
    await converse(oldest, 'S: 421 4.3.2\n S: closed');
    for (const from of ['127.0.0.2', '127.0.0.3', '127.0.0.2', '127.0.0.3']) await sending(from);
    await converse(honest, 'C! .\\r\\n\n S: 250 2.6.0');
    expect(inbox.messages.map(text)).toEqual(['honest\r\n']);
  });

  test('R12 a message in the receiver’s hands is never cut off: where there is nothing else the newcomer is told 421', async () => {
    const taken = Promise.withResolvers<{ kind: 'accepted' }>();
    const both = Promise.withResolvers<void>();
    let arrived = 0;
    await using inbox = await openInbox({
      limits: { ...patient, maxConnections: 2 },
      onMessage: () => {
        arrived += 1;
        if (arrived === 2) both.resolve();
        return taken.promise;
      },
    });
    using one = await Wire.connect({ port: inbox.port, from: '127.0.0.2' });
    await converse(one, `${upToData}\n C! x\\r\\n.\\r\\n`);
    using two = await Wire.connect({ port: inbox.port, from: '127.0.0.3' });
    await converse(two, `${upToData}\n C! x\\r\\n.\\r\\n`);
    await both.promise;
    await conversation(inbox.port, 'S: 421 4.3.2\n S: closed');
    taken.resolve({ kind: 'accepted' });
    for (const wire of [one, two]) await converse(wire, 'S: 250 2.6.0');
  });

  test('R12 a flood of idle TLS sessions from one remote leaves the others’ alone', async () => {
    await using inbox = await openInbox({
      limits: { ...patient, maxConnections: 6, maxConnectionsPerRemote: 3 },
    });
    using other = await Wire.connect({ port: inbox.port, from: '127.0.0.2' });
    await converse(other, overTls);
    const flood: Wire[] = [];
    for (let n = 0; n < 12; n += 1) {
      const wire = await Wire.connect({ port: inbox.port });
      await converse(wire, overTls);
      flood.push(wire);
    }
    for (const wire of flood.slice(0, -3)) await converse(wire, 'S: 421 4.3.2\n S: closed');
    for (const wire of flood.slice(-3)) await converse(wire, 'C: NOOP\n S: 250');
    await converse(other, `${transaction}\n C! served\\r\\n.\\r\\n\n S: 250`);
    expect(inbox.messages.map(text)).toEqual(['served\r\n']);
    for (const wire of flood) wire.cut();
  });

  test('R12 who does not hang up holds its place no longer than another needs it', async () => {
    await using inbox = await openInbox({ limits: { ...patient, drainMs: 60_000, maxConnections: 1 } });
    using rude = new DisposableStack();
    for (let n = 0; n < 5; n += 1) {
      const quitting = rude.use(await Wire.connect({ port: inbox.port, rude: true }));
      await converse(quitting, 'S: 220\n C: QUIT\n S: 221');
      const dismissed = rude.use(await Wire.connect({ port: inbox.port, rude: true }));
      await converse(dismissed, 'S: 220');
    }
    await conversation(inbox.port, 'S: 220');
  });
});

test('R13 who never reads the replies is not read any further, and then cut', async () => {
  await using inbox = await openInbox({ limits: { commandMs: 1000 } });
  using wire = await Wire.connect({ port: inbox.port });
  await converse(wire, overTls);
  wire.socket.pause();
  const chunk = 'NOOP\r\n'.repeat(10_000);
  let sent = 0;
  for (; !wire.socket.destroyed; sent += chunk.length) await wire.write(chunk);
  // What the kernel and two sockets hold, and no more.
  expect(sent).toBeLessThan(3e7);
});
