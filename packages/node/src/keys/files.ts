import { readFile } from 'node:fs/promises';
import { ExitCode } from '@postern/runtime';
import { NodeError } from '../errors.ts';

/** A key file of the data directory. Throws `NodeError` `missing-key-file` when there is none. */
export async function readKeyFile(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new NodeError('missing-key-file', `${path} cannot be read`, {
      cause,
      exitCode: ExitCode.config,
      hint: 'Make a data directory with `postern-node init`, correct data_dir, or restore the file from a backup.',
    });
  }
}

export function wrongKeyFile(path: string, what: string, cause?: unknown): NodeError {
  return new NodeError('wrong-key-file', `${path} holds no ${what}`, {
    cause,
    exitCode: ExitCode.config,
    hint: 'Restore the file from a backup, or make a new data directory with `postern-node init`.',
  });
}
