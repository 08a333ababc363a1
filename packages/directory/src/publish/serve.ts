import swagger from '@fastify/swagger';
import { cannotListen, type Endpoint, formatEndpoint } from '@postern/runtime';
import { type FastifyInstance, fastify } from 'fastify';
import { authorityHeader } from '../ask.ts';
import { answerFault, answerUnknownPath } from './answers.ts';

/** An HTTP server at work. `close` stops taking requests and lets those under way finish. */
export interface Served extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

export interface ServeOptions {
  readonly listen: Endpoint;
  /** The setting that `listen` was read from, and what cannot be served without it: for people. */
  readonly setting: string;
  readonly what: string;
  /** The authority whose answers these are, as their header says it; none for a mirror. */
  readonly by?: string;
  /** The head of the OpenAPI document. */
  readonly openapi: object;
  /** Milliseconds. */
  now(): number;
  addRoutes(server: FastifyInstance): void;
}

/** Largest request body, bytes: the longest descriptor, and room for what makes it too long to be told so. */
const bodyLimit = 65_536;

/** Serves documents over HTTP. Throws `UserError` when the address cannot be had. */
export async function serve(options: ServeOptions): Promise<Served> {
  const { listen, setting, what, openapi } = options;
  const server = fastify({
    // no log of requests: nobody needs to know later who asked
    logger: false,
    bodyLimit,
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 10_000,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: true,
  });
  server.removeContentTypeParser('application/json');
  server.setErrorHandler(answerFault);
  server.setNotFoundHandler(answerUnknownPath);
  // whoever compares clocks has to see the one that everything else here goes by
  server.addHook('onRequest', (_request, reply, done) => {
    reply.header('date', new Date(options.now()).toUTCString());
    if (options.by !== undefined) reply.header(authorityHeader, options.by);
    done();
  });
  await server.register(swagger, { openapi });
  server.after(() => {
    options.addRoutes(server);
    server.get('/openapi.json', { schema: { hide: true } }, (_request, reply) =>
      reply.send(server.swagger()),
    );
  });
  await server.listen(listen).catch((cause: unknown) => {
    throw cannotListen({ what, at: listen, setting, cause });
  });
  const bound = server.server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
  const close = async (): Promise<void> => server.close();
  return {
    url: `http://${formatEndpoint({ host: listen.host, port })}`,
    close,
    [Symbol.asyncDispose]: close,
  };
}
