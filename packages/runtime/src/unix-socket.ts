import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { chmod, link, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { ExitCode, UserError } from './errors.ts';

/**
 * Listens on a unix socket of this mode, in place of one that a process before has left; with the server the socket goes, unless another has
 * come in its place. Throws `UserError` where anything else lies, or somebody answers.
 */
export async function listenOnSocket(server: FastifyInstance, path: string, mode: number): Promise<void> {
  await makeRoom(path);
  // Node removes the name that was bound when it closes a server, whosever socket has that name by then: so it is bound to another.
  const aside = asideOf(path);
  let own: BigIntStats | undefined;
  server.addHook('preClose', async () => {
    if (isSame(own, await look(path))) await unlink(path).catch(ifGone);
  });
  await server.listen({ path: aside });
  try {
    await chmod(aside, mode);
    // Refused where another process was faster.
    await link(aside, path);
    await unlink(aside);
    own = await look(path);
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** In the same folder, and no shorter: what is too long for an address of a socket is so there. */
function asideOf(path: string): string {
  const length = Math.max(9, Buffer.byteLength(basename(path)));
  return join(dirname(path), `.${randomBytes(length).toString('hex')}`.slice(0, length));
}

async function makeRoom(path: string): Promise<void> {
  const there = await look(path);
  if (there === undefined) return;
  if (!there.isSocket())
    throw new UserError(`${path} is there already, and is no socket`, {
      exitCode: ExitCode.unavailable,
      hint: 'It is left as it is. Have the socket elsewhere, or move away what is there.',
    });
  if (await isListenedOn(path))
    throw new UserError(`another process has the socket ${path}`, {
      exitCode: ExitCode.unavailable,
      hint: `It is left as it is. Stop that process, or have this one’s socket elsewhere. To see which it is: ss -xlp | grep ${dirname(path)}/`,
    });
  if (isSame(there, await look(path))) await unlink(path).catch(ifGone);
}

/** Whether it may be somebody's: a process that has ended refuses. */
function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'),
    );
  });
}

function look(path: string): Promise<BigIntStats | undefined> {
  return lstat(path, { bigint: true }).catch(ifGone);
}

/** A file system may give an inode anew as soon as it is free. */
function isSame(one: BigIntStats | undefined, other: BigIntStats | undefined): boolean {
  return (
    one !== undefined &&
    one.ino === other?.ino &&
    one.dev === other.dev &&
    one.birthtimeNs === other.birthtimeNs
  );
}

function ifGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
