import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import type { Chunk, TappedConnection } from '../adversary/tap.ts';

export interface TrafficFiles extends AsyncDisposable {
  /** Appends to `<folder>/<name of the tap>/<number of the connection>.in` or `.out`. */
  readonly write: (connection: TappedConnection, chunk: Chunk) => void;
}

/** Keeps what passes taps, byte for byte, in a file for each connection and direction. */
export function recordTraffic(folder: string): TrafficFiles {
  const numbers = new Map<TappedConnection, number>();
  const files = new Map<string, WriteStream>();
  const fileFor = (connection: TappedConnection, direction: Chunk['direction']): WriteStream => {
    const number = numbers.get(connection) ?? numbers.size + 1;
    numbers.set(connection, number);
    const path = join(folder, connection.name, `${number}.${direction}`);
    let file = files.get(path);
    if (file === undefined) {
      mkdirSync(join(folder, connection.name), { recursive: true });
      file = createWriteStream(path);
      files.set(path, file);
    }
    return file;
  };
  return {
    write: (connection, { direction, bytes }) => void fileFor(connection, direction).write(bytes),
    async [Symbol.asyncDispose]() {
      await Promise.all([...files.values()].map((file) => finished(file.end())));
    },
  };
}
