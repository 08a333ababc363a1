import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Endpoint } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SeededRandom } from '../chance/seeded-random.ts';
import { until } from '../until.ts';
import { startTap, type Tap } from './tap.ts';

let server: Server;
let tap: Tap;
let address: Endpoint;
let serve: (socket: Socket) => void;

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => serve(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('no TCP');
  address = { host: '127.0.0.1', port: bound.port };
  tap = await startTap({ name: 'tapped' });
});
afterEach(async () => {
  await tap[Symbol.asyncDispose]();
  server.close();
});

const seen = (direction: 'in' | 'out', connection = 0): Buffer =>
  Buffer.concat(
    (tap.connections[connection]?.chunks ?? [])
      .filter((chunk) => chunk.direction === direction)
      .map(({ bytes }) => bytes),
  );

/** Resolves when a connection is no more, whether it was ended or broken. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => undefined);
  return new Promise((resolve) => socket.on('close', () => resolve()));
}

describe('a tap', () => {
  test('passes every byte both ways, keeps it, and passes the ends on', async () => {
    const sent = Buffer.from(new SeededRandom('tap').bytes(3_000_000));
    const answer = Buffer.from(new SeededRandom('answer').bytes(1_000_000));
    let taken: Buffer = Buffer.alloc(0);
    serve = (socket) =>
      void buffer(socket).then((bytes) => {
        taken = bytes;
        socket.end(answer);
      });
    tap.leadTo(address);
    const client = connect({ ...tap.address, allowHalfOpen: true });
    client.end(sent);
    expect(answer.equals(await buffer(client))).toBe(true);
    expect(sent.equals(taken)).toBe(true);
    expect(sent.equals(seen('in'))).toBe(true);
    expect(answer.equals(seen('out'))).toBe(true);
  });

  test('keeps the order of what went there and back', async () => {
    serve = (socket) =>
      void socket.on('data', (bytes) => socket.write(Buffer.concat([Buffer.from('got '), bytes as Buffer])));
    tap.leadTo(address);
    const client = connect(tap.address);
    for (const word of ['one', 'two', 'three']) {
      client.write(word);
      await once(client, 'data');
    }
    client.end();
    const order = tap.connections[0]?.chunks.map(
      ({ direction, bytes }) => `${direction} ${Buffer.from(bytes).toString()}`,
    );
    expect(order).toEqual(['in one', 'out got one', 'in two', 'out got two', 'in three', 'out got three']);
  });

  test('ends a connection when the other end breaks it, and when nobody listens', async () => {
    serve = (socket) => void socket.resetAndDestroy();
    tap.leadTo(address);
    await closed(connect(tap.address));
    server.close();
    await once(server, 'close');
    await closed(connect(tap.address));
    await until(() => tap.connections.every(({ ended }) => ended), { what: 'both have ended' });
    server.listen(0);
  });

  test('listens where it is told to', async () => {
    const { port } = tap.address;
    await using other = await startTap({ name: 'other', listen: { host: '127.0.0.2', port } });
    expect(other.address).toEqual({ host: '127.0.0.2', port });
    serve = (socket) => void socket.end('hello');
    other.leadTo(address);
    expect(String(await buffer(connect(other.address)))).toBe('hello');
  });

  test('refuses while it leads nowhere', async () => {
    await closed(connect(tap.address));
    expect(tap.connections).toEqual([]);
  });

  test('holds a chunk, and what comes behind it, until it may pass', async () => {
    const passing = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const taken: Buffer[] = [];
    serve = (socket) =>
      socket.on('data', (bytes: Buffer) => taken.push(bytes)).on('end', () => socket.end('all'));
    await using holding = await startTap({
      name: 'holding',
      hold(_, { bytes, direction }) {
        if (direction === 'out' || !Buffer.from(bytes).includes('held')) return undefined;
        asked.resolve();
        return passing.promise;
      },
    });
    holding.leadTo(address);
    const socket = connect({ ...holding.address, allowHalfOpen: true });
    socket.write('free ');
    await until(() => Buffer.concat(taken).toString() === 'free ', { what: 'the first bytes' });
    socket.write('held ');
    await asked.promise;
    socket.end('behind');
    expect(Buffer.concat(taken).toString()).toBe('free ');
    passing.resolve();
    expect((await buffer(socket)).toString()).toBe('all');
    expect(Buffer.concat(taken).toString()).toBe('free held behind');
  });

  test('cuts a connection at a chunk, which does not pass, at both ends', async () => {
    const taken: Buffer[] = [];
    const ended = Promise.withResolvers<void>();
    serve = (socket) => {
      socket.on('data', (bytes: Buffer) => taken.push(bytes));
      void closed(socket).then(ended.resolve);
    };
    await using cutting = await startTap({
      name: 'cutting',
      hold: (_, { bytes }) => (Buffer.from(bytes).includes('cut') ? 'cut' : undefined),
    });
    cutting.leadTo(address);
    const socket = connect(cutting.address);
    socket.write('passes ');
    await until(() => Buffer.concat(taken).toString() === 'passes ', { what: 'the first bytes' });
    socket.write('is cut');
    await Promise.all([closed(socket), ended.promise]);
    expect(Buffer.concat(taken).toString()).toBe('passes ');
  });

  test('leads to a unix socket', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'tap-')), 'socket');
    const behind = createServer((socket) => socket.pipe(socket));
    behind.listen(path);
    await once(behind, 'listening');
    tap.leadTo({ path });
    const socket = connect(tap.address);
    socket.end('there and back');
    expect((await buffer(socket)).toString()).toBe('there and back');
    behind.close();
    await rm(dirname(path), { recursive: true });
  });
});
