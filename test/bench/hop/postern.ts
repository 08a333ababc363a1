import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAuthorityConfig, startAuthority } from '@postern/directory';
import { createDirectoryClient } from '@postern/directory/client';
import { makeCarriage, openCarriage } from '@postern/mail';
import { initNode } from '@postern/node';
import { buildPacket } from '@postern/protocol/packet';
import { createLog, readControl, systemClock, systemRandom } from '@postern/runtime';
import { freePorts, type Supervised, startProcess, until } from '@postern/testkit';
import { enlist, numberAtEnd } from './enlist.ts';
import type { Relay } from './relay.ts';

const name = 'mix.test';
const epochSeconds = 86_400;

/** A mix as a relay, and its process. */
export interface PosternRelay extends Relay {
  /** Of the one that runs now. */
  readonly pid: number;
  /** Stops it, and starts it again once `meanwhile` has resolved; resolves to how long the new one took to its first greeting, ms. */
  restart(meanwhile?: () => Promise<void>): Promise<number>;
}

/** A mix with its defaults, as its operator runs it, whose next hop is `sink`. */
export async function startPostern(sink: {
  readonly port: number;
  readonly pin: string;
}): Promise<PosternRelay> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'postern-hop-'));
  opened.defer(() => rm(folder, { recursive: true }));
  const authority = opened.use(
    await startAuthority(
      parseAuthorityConfig({
        name: 'authority.test',
        data_dir: join(folder, 'authority'),
        listen: '127.0.0.1:0',
        epoch: `${epochSeconds}s`,
        bootstrap: { nodes: 3 },
      }),
      {
        clock: systemClock,
        random: systemRandom,
        log: createLog({ name: 'authority.test', level: 'silent' }),
      },
    ),
  );
  const directory = createDirectoryClient({
    urls: [authority.url],
    authorities: [authority.vkey],
    threshold: 1,
    cacheDir: join(folder, 'cache'),
    clock: systemClock,
  });
  const others = await Promise.all(
    ['second.test', 'third.test'].map((each) => enlist(each, sink, directory, epochSeconds)),
  );
  const [port = 0] = await freePorts(1);
  const configPath = join(folder, 'mix.toml');
  const { id } = await initNode(
    {
      configPath,
      dataDir: 'mix',
      name,
      roles: ['mix'],
      listen: `127.0.0.1:${port}`,
      advertise: `127.0.0.1:${port}`,
      directoryUrls: [authority.url],
      authorities: [authority.vkey],
    },
    { clock: systemClock, random: systemRandom },
  );
  const start = (): Promise<Supervised> =>
    startProcess({
      name,
      program: 'postern-node',
      args: ['run', '--config', configPath],
      log: join(folder, 'log'),
      restart: false,
    });
  let mix = await start();
  opened.defer(async () => void (await mix.stop()));
  await until(
    async () => {
      const status = await readControl(join(folder, 'mix/control.sock'), '/status').catch(() => '{}');
      return JSON.parse(status).consensus?.listed === true;
    },
    { what: 'the mix is in the consensus', deadlineMs: 60_000 },
  );
  const { consensus, geometry } = await directory.refresh();
  const entry = consensus.nodes.find((node) => node.id === id);
  if (entry === undefined) throw new Error('the mix is not in the consensus');
  const first = { nodeId: Buffer.from(id, 'hex'), mixKey: Buffer.from(entry.mixKey, 'base64'), delayMs: 0 };
  const path = [first, ...others.map((other) => other.hop(consensus.epoch))];

  const running = opened.move();
  return {
    port,
    get pid() {
      return mix.pid;
    },
    async restart(meanwhile = async () => undefined) {
      await mix.stop();
      await meanwhile();
      const began = performance.now();
      mix = await start();
      await until(() => greets(port), { what: 'the mix takes SMTP again', deadlineMs: 60_000 });
      return performance.now() - began;
    },
    from: 'secure@source.test',
    to: `secure@${name}`,
    carriage(number) {
      const payload = new Uint8Array(geometry.payloadBytes);
      new DataView(payload.buffer).setUint32(0, number);
      const bytes = buildPacket(geometry, consensus.epoch, path, { domain: 'b.test' }, payload);
      return carriageTo(name, bytes);
    },
    numberIn(message) {
      const opened = openCarriage(message, geometry.packetBytes);
      return opened.kind === 'refused' ? undefined : numberAtEnd(opened.bytes, others, geometry);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('data', () => socket.destroy());
    socket.once('error', () => undefined);
    socket.once('close', () => resolve(socket.bytesRead > 0));
  });
}

export function carriageTo(toDomain: string, bytes: Uint8Array): Buffer {
  return Buffer.from(
    makeCarriage({
      fromDomain: 'source.test',
      toDomain,
      bytes,
      now: new Date(),
      random: (length) => systemRandom.bytes(length),
    }),
  );
}
