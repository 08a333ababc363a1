import { chmod, unlink } from 'node:fs/promises';
import { request } from 'node:http';
import { fastify } from 'fastify';
import { ExitCode, UserError } from './errors.ts';

export interface ControlOptions {
  /** Path of the unix socket; at most 107 bytes on Linux. */
  readonly socketPath: string;
  status(): Promise<object>;
  metrics(): Promise<string>;
}

/**
 * The operator's window into a running process: HTTP on a unix socket that only its owner may open. `GET /status`
 * answers JSON, `GET /metrics` Prometheus text.
 */
export async function serveControl({
  socketPath,
  status,
  metrics,
}: ControlOptions): Promise<AsyncDisposable> {
  const server = fastify({ logger: false });
  server.get('/status', async () => status());
  server.get('/metrics', async (_request, reply) => {
    reply.type('text/plain; version=0.0.4; charset=utf-8');
    return metrics();
  });
  await unlink(socketPath).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await server.listen({ path: socketPath });
  await chmod(socketPath, 0o600);
  return { [Symbol.asyncDispose]: () => server.close() };
}

/** Asks a running process over its control socket. Throws `UserError` when none listens there. */
export function readControl(socketPath: string, path: '/status' | '/metrics'): Promise<string> {
  return new Promise((resolve, reject) => {
    const ask = request({ socketPath, path, agent: false, timeout: 10_000 }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(parts).toString('utf8');
        if (response.statusCode === 200) resolve(body);
        else
          reject(new UserError(`the process answered ${response.statusCode ?? 'nothing'} on ${socketPath}`));
      });
    });
    ask.on('timeout', () => ask.destroy(new Error('no answer within 10 s')));
    ask.on('error', (cause) => {
      const options = {
        exitCode: ExitCode.unavailable,
        hint: 'Is it running, and is this its data directory?',
        cause,
      };
      reject(new UserError(`no process answers on ${socketPath}`, options));
    });
    ask.end();
  });
}
