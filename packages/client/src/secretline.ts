import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { isExposed, whyUnreadable } from '@postern/runtime';
import { ClientError, type ClientErrorCode } from './errors.ts';

/** A secret that is typed: what to call it, and how its absence is coded. */
export interface SecretKind {
  readonly name: 'passphrase' | 'password';
  readonly code: Extract<ClientErrorCode, 'wrong-passphrase' | 'no-password'>;
}

/** The first line of a file that nobody else may read. Throws `exposed`, or the kind's code when there is none. */
export async function secretLine(path: string, kind: SecretKind): Promise<string> {
  return firstLine(await readClosed(path, kind), kind);
}

/** Throws the kind's code when it is empty. */
export function firstLine(content: Buffer, { name, code }: SecretKind): string {
  const [line = ''] = content.toString('utf8').split(/\r?\n/);
  if (line !== '') return line;
  throw new ClientError(code, `the ${name} given is empty`);
}

async function readClosed(path: string, { name, code }: SecretKind): Promise<Buffer> {
  try {
    if (isExposed(await stat(path))) {
      throw new ClientError('exposed', `others may read the ${name} in ${path}`, {
        hint: `Close it with: chmod 600 ${path}`,
      });
    }
    return await buffer(createReadStream(path));
  } catch (cause) {
    if (cause instanceof ClientError) throw cause;
    throw new ClientError(code, `the ${name} file ${path} cannot be read: ${whyUnreadable(cause)}`, {
      cause,
    });
  }
}
