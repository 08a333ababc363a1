import { join } from 'node:path';
import { parseAuthorityConfig, startAuthority } from '@postern/directory';
import { createDirectoryClient } from '@postern/directory/client';
import { makeCarriage, openCarriage } from '@postern/mail';
import { initNode } from '@postern/node';
import { buildPacket, defaultGeometry } from '@postern/protocol/packet';
import { createLog, readControl, systemClock, systemRandom } from '@postern/runtime';
import { freePorts, until } from '@postern/testkit';
import { temporaryFolder } from '../interrupted.ts';
import { enlist, numberAtEnd } from './enlist.ts';
import type { Relay } from './relay.ts';

export const mixName = 'mix.test';
const epochSeconds = 86_400;

/** A mix that can be started, in a network whose other nodes are keys alone, and what goes through it to `sink`. */
export interface Mix extends AsyncDisposable {
  /** Holds everything of it. */
  readonly folder: string;
  readonly configPath: string;
  readonly port: number;
  /** Resolves, once the mix runs on `dataDir`, when the consensus lists it; only then packets can be made. */
  listed(dataDir?: string): Promise<void>;
  readonly relay: Pick<Relay, 'from' | 'to' | 'carriage' | 'numberIn'>;
}

/** Makes an authority, two other mixes, and the data directory `mix` of one with its defaults. */
export async function createMix(sink: { readonly port: number; readonly pin: string }): Promise<Mix> {
  await using opened = new AsyncDisposableStack();
  const folder = await temporaryFolder(opened, 'postern-hop-');
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
      name: mixName,
      roles: ['mix'],
      listen: `127.0.0.1:${port}`,
      advertise: `127.0.0.1:${port}`,
      directoryUrls: [authority.url],
      authorities: [authority.vkey],
    },
    { clock: systemClock, random: systemRandom },
  );
  let made: Relay['carriage'] | undefined;
  const running = opened.move();
  return {
    folder,
    configPath,
    port,
    async listed(dataDir = join(folder, 'mix')) {
      await until(
        async () => {
          const status = await readControl(join(dataDir, 'control.sock'), '/status').catch(() => '{}');
          return JSON.parse(status).consensus?.listed === true;
        },
        { what: 'the mix is in the consensus', deadlineMs: 60_000 },
      );
      const { consensus, geometry } = await directory.refresh();
      const entry = consensus.nodes.find((node) => node.id === id);
      if (entry === undefined) throw new Error('the mix is not in the consensus');
      const first = {
        nodeId: Buffer.from(id, 'hex'),
        mixKey: Buffer.from(entry.mixKey, 'base64'),
        delayMs: 0,
      };
      const path = [first, ...others.map((other) => other.hop(consensus.epoch))];
      made = (number) => {
        const payload = new Uint8Array(geometry.payloadBytes);
        new DataView(payload.buffer).setUint32(0, number);
        const bytes = buildPacket(geometry, consensus.epoch, path, { domain: 'b.test' }, payload);
        return carriageTo(mixName, bytes);
      };
    },
    relay: {
      from: 'secure@source.test',
      to: `secure@${mixName}`,
      carriage(number) {
        if (made === undefined) throw new Error('the mix is not listed yet');
        return made(number);
      },
      numberIn(message) {
        const opened = openCarriage(message, defaultGeometry.packetBytes);
        return opened.kind === 'refused' ? undefined : numberAtEnd(opened.bytes, others, defaultGeometry);
      },
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
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
