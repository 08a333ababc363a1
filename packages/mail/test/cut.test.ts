import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Wire } from '@postern/mail/testing';
import { expect, test } from 'vitest';
import { converse, octetsOf, overTls } from './conversation.ts';
import { type Inbox, openInbox, text } from './inbox.ts';

const session = octetsOf(
  String.raw`MAIL FROM:<secure@a.test>\r\nRCPT TO:<secure@mx.test>\r\nDATA\r\nSubject: x\r\n\r\n..\r\nbody\r\n.\r\nQUIT\r\n`,
);
/** Where the data ends: what is sent up to here or further may arrive, anything less must not. */
const endOfData = session.indexOf('\r\n.\r\n') + 5;
const startOfData = session.indexOf('Subject');
const message = 'Subject: x\r\n\r\n.\r\nbody\r\n';

test('R17 a connection cut at any octet of the session: the whole message or none', async () => {
  await using inbox = await openInbox();
  await inGroupsOf(40, range(0, session.length + 1), async (at) => {
    using wire = await Wire.connect({ port: inbox.port });
    await converse(wire, overTls);
    await wire.write(session.subarray(0, Math.min(at, startOfData)));
    if (at > startOfData) {
      await converse(wire, 'S: 250\n S: 250\n S: 354');
      await wire.write(session.subarray(startOfData, at));
    }
    if (at >= endOfData) await converse(wire, 'S: 250');
  });
  expect(inbox.messages.map(text)).toEqual(Array.from(range(endOfData, session.length + 1), () => message));
});

test('R17 a connection cut at any octet on the wire, TLS and all', async () => {
  await using inbox = await openInbox();
  const whole = await sendThrough(inbox, Number.POSITIVE_INFINITY);
  expect(whole).toBeGreaterThan(session.length);
  expect(inbox.messages.splice(0).map(text)).toEqual([message]);
  await inGroupsOf(40, range(0, whole, 7), (at) => sendThrough(inbox, at));
  expect(new Set(inbox.messages.map(text))).toEqual(new Set(inbox.messages.length === 0 ? [] : [message]));
  const quitOctets = 40; // the TLS records behind the end of the data
  expect(inbox.messages.length).toBeLessThanOrEqual(Math.ceil((3 * quitOctets) / 7));
});

/** Runs the session through a relay that passes `octets` of the client's on and then cuts. Returns how many there were. */
async function sendThrough(inbox: Inbox, octets: number): Promise<number> {
  let passed = 0;
  const over = Promise.withResolvers<void>();
  const relay = createServer((near: Socket) => {
    const far = connect(inbox.port, '127.0.0.1');
    const cut = (): void => {
      near.destroy();
      far.destroy();
      over.resolve();
    };
    near.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, octets - passed);
      passed += part.length;
      far.write(part, () => passed >= octets && cut());
    });
    far.pipe(near);
    for (const socket of [near, far]) socket.on('error', cut).on('close', cut);
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { port } = relay.address() as { port: number };
  using wire = await Wire.connect({ port });
  await converse(wire, overTls)
    .then(() => wire.write(session.subarray(0, startOfData)))
    .then(() => converse(wire, 'S: 250\n S: 250\n S: 354'))
    .then(() => wire.write(session.subarray(startOfData)))
    .then(() => converse(wire, 'S: 250\n S: 221'))
    .catch(() => {}); // cut
  wire.cut();
  await over.promise;
  relay.close();
  return passed;
}

function* range(from: number, to: number, step = 1): Generator<number> {
  for (let n = from; n < to; n += step) yield n;
}

async function inGroupsOf(
  size: number,
  items: Iterable<number>,
  run: (item: number) => Promise<unknown>,
): Promise<void> {
  const supply = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = supply.next(); next.done !== true; next = supply.next()) await run(next.value);
  };
  await Promise.all(Array.from({ length: size }, worker));
}
