import { type FastifyInstance, fastify } from 'fastify';
import type { Clock } from './clock.ts';
import type { Endpoint, SocketPath } from './config.ts';
import { UserError } from './errors.ts';
import { cannotListen } from './listening.ts';
import type { Metrics } from './metrics.ts';
import { fraction, type Random } from './random.ts';
import { listenOnSocket } from './unix-socket.ts';

export interface ExporterOptions {
  readonly metrics: Metrics;
  /** Where `GET /metrics` is served; nowhere when not given. */
  readonly listen?: Endpoint | SocketPath | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** Disposing of it ends the snapshots and stops listening. */
export interface Exporter extends AsyncDisposable {
  /** Where it listens; port 0 has become the one that it got. */
  readonly address: Endpoint | SocketPath | undefined;
  /** The last snapshot. */
  text(): string;
}

/** Time from one snapshot to the next. */
export const snapshotMs = 900_000;

/**
 * Takes a snapshot of the metrics at the start, at a random moment of the first period, and from there on once a period, whatever happens
 * meanwhile and whoever asks. That snapshot is all that anybody gets. Throws `UserError` when it cannot listen.
 */
export async function exportMetrics({ metrics, listen, clock, random }: ExporterOptions): Promise<Exporter> {
  let snapshot = await metrics.text();
  const text = (): string => snapshot;
  const server = listen && (await serve(listen, text));
  const stop = new AbortController();
  const keep = async (): Promise<void> => {
    let at = clock.now() + Math.ceil(fraction(random) * snapshotMs);
    for (;;) {
      await clock.wait(at, stop.signal);
      snapshot = await metrics.text();
      const now = clock.now();
      const passed = Math.max(0, now - at);
      at = Math.min(at + (Math.floor(passed / snapshotMs) + 1) * snapshotMs, now + snapshotMs);
    }
  };
  const keeping = keep().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return {
    address: server && boundTo(server, listen),
    text,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await keeping;
      await server?.close();
    },
  };
}

async function serve(listen: Endpoint | SocketPath, text: () => string): Promise<FastifyInstance> {
  const server = fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: 1,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 10_000,
    forceCloseConnections: true,
  });
  server.setNotFoundHandler((_request, reply) => reply.code(404).send());
  server.get('/metrics', (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(text()),
  );
  try {
    await ('path' in listen ? listenOnSocket(server, listen.path, 0o660) : server.listen(listen));
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    const setting = '`listen` in [metrics], or leave the section out';
    throw cannotListen({ what: 'metrics cannot be served', at: listen, setting, cause });
  }
  return server;
}

function boundTo(
  server: FastifyInstance,
  listen: Endpoint | SocketPath | undefined,
): Endpoint | SocketPath | undefined {
  const bound = server.server.address();
  return listen !== undefined && 'host' in listen && typeof bound === 'object' && bound !== null
    ? { host: listen.host, port: bound.port }
    : listen;
}
