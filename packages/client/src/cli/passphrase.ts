import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { ClientError } from '../errors.ts';
import type { PassphraseSource, Protection } from '../keys/index.ts';
import { noPassphrase } from '../keys/unlock.ts';
import { askSecretly } from './ask.ts';

export interface PassphraseOptions {
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
}

/** Never as an argument or in the environment: other processes can read both. */
export function withPassphrase(command: Command): Command {
  return command
    .option(
      '--passphrase-file <file>',
      'read the passphrase from the first line of a file that only you may read',
    )
    .option('--passphrase-fd <n>', 'read the passphrase from an open file descriptor', Number);
}

/** Where the passphrase of a key that is there comes from: the options, else the terminal, else nowhere. */
export function passphraseSource(options: PassphraseOptions, stop: AbortSignal): PassphraseSource {
  return async (request) => {
    const given = await givenPassphrase(options);
    if (given !== undefined) return given;
    const question = `Passphrase for the key of ${request.owner}: `;
    return (await askSecretly(question, stop)) ?? noPassphrase(request);
  };
}

/** How a new key is protected: as the options say, else by a passphrase asked for twice. */
export async function chooseProtection(
  options: PassphraseOptions & { passphrase?: boolean },
  stop: AbortSignal,
): Promise<Protection> {
  const given = await givenPassphrase(options);
  if (options.passphrase === false) {
    if (given === undefined) return { noPassphrase: true };
    throw new ClientError('wrong-use', '--no-passphrase does not go with a passphrase');
  }
  if (given !== undefined) return { passphrase: given };
  const missing = 'a new secret key needs a passphrase';
  const hint =
    'Run this in a terminal, or give --passphrase-file FILE or --passphrase-fd N. --no-passphrase leaves the key to its file’s mode, 0600.';
  const passphrase = await askSecretly('New passphrase: ', stop);
  if (passphrase === undefined || passphrase === '')
    throw new ClientError('wrong-passphrase', missing, { hint });
  if ((await askSecretly('Once more: ', stop)) !== passphrase) {
    throw new ClientError('wrong-passphrase', 'the two passphrases differ', { hint: 'Nothing was changed.' });
  }
  return { passphrase };
}

async function givenPassphrase({
  passphraseFile,
  passphraseFd,
}: PassphraseOptions): Promise<string | undefined> {
  if (passphraseFile === undefined && passphraseFd === undefined) return undefined;
  const content =
    passphraseFile === undefined ? await fromDescriptor(passphraseFd) : await fromFile(passphraseFile);
  const [line = ''] = content.toString('utf8').split(/\r?\n/);
  if (line !== '') return line;
  throw new ClientError('wrong-passphrase', 'the passphrase given is empty');
}

async function fromFile(path: string): Promise<Buffer> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o170000) === 0o100000 && (mode & 0o077) !== 0) {
      throw new ClientError('exposed', `others may read the passphrase in ${path}`, {
        hint: `Close it with: chmod 600 ${path}`,
      });
    }
    return await buffer(createReadStream(path));
  } catch (cause) {
    if (cause instanceof ClientError) throw cause;
    throw new ClientError('wrong-passphrase', `the passphrase file ${path} cannot be read`, { cause });
  }
}

async function fromDescriptor(fd: number | undefined): Promise<Buffer> {
  try {
    if (fd === undefined || !Number.isInteger(fd) || fd < 0) throw new RangeError('no descriptor');
    return await buffer(createReadStream('', { fd, autoClose: false }));
  } catch (cause) {
    throw new ClientError('wrong-passphrase', `no passphrase can be read from descriptor ${fd}`, { cause });
  }
}
