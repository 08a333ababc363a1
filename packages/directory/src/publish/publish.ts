import { createHash } from 'node:crypto';
import swagger from '@fastify/swagger';
import { cannotListen, type Endpoint, formatEndpoint } from '@postern/runtime';
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import type { Registration } from '../registration.ts';
import type { Issued } from '../store.ts';
import { answerFault, answerUnknownPath, statusOf } from './answers.ts';
import * as schema from './schema.ts';

/** What stands behind the HTTP interface. */
export interface Desk {
  register(signed: string): Registration;
  /** The consensus to route by now. */
  current(): Issued | undefined;
  issued(epoch: number): Issued | undefined;
  /** Signed parameters. */
  readonly parameters: string;
  health(): { readonly epoch: number; readonly registered: number };
  /** Seconds until the consensus of an epoch stops being fresh; 0 when it has. */
  freshFor(epoch: number): number;
}

/** Largest request body, bytes: the longest descriptor, and room for what makes it too long to be told so. */
const bodyLimit = 65_536;

/** Serves what the authority has to say over HTTP. `close` stops taking requests and lets those under way finish. Throws `UserError` when the address cannot be had. */
export async function publish(
  listen: Endpoint,
  desk: Desk,
): Promise<{ url: string; close(): Promise<void> }> {
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
  await server.register(swagger, { openapi: schema.document });
  server.after(() => addRoutes(server, desk));
  await server.listen(listen).catch((cause: unknown) => {
    throw cannotListen({ what: 'the consensus cannot be served', at: listen, setting: '`listen`', cause });
  });
  const bound = server.server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : listen.port;
  return { url: `http://${formatEndpoint({ host: listen.host, port })}`, close: () => server.close() };
}

function addRoutes(server: FastifyInstance, desk: Desk): void {
  server.post<{ Body: unknown }>('/v1/descriptors', { schema: schema.postDescriptor }, (request, reply) => {
    const outcome = desk.register(typeof request.body === 'string' ? request.body : '');
    if (outcome.kind === 'registered') return reply.code(202).send({ id: outcome.id });
    if (outcome.reason === 'too-often') reply.header('retry-after', '60');
    return reply.code(statusOf(outcome.reason)).send({ error: outcome.reason, message: outcome.detail });
  });

  server.get('/v1/consensus', { schema: schema.getConsensus }, (request, reply) => {
    const current = desk.current();
    if (current === undefined) {
      reply.header('retry-after', '5').header('cache-control', 'no-store');
      const message = 'there is no consensus yet: the authority waits for nodes to register';
      return reply.code(503).send({ error: 'no-consensus', message });
    }
    // while the next one is late, asking again soon is right
    reply.header('cache-control', `public, max-age=${Math.max(desk.freshFor(current.epoch), 1)}`);
    return sendNote(reply, current.signed, request.headers['if-none-match']);
  });

  server.get<{ Params: { epoch: string } }>(
    '/v1/consensus/:epoch',
    { schema: schema.getPastConsensus },
    (request, reply) => {
      const issued = desk.issued(Number(request.params.epoch));
      if (issued === undefined) {
        const message = `this authority has issued no consensus for epoch ${request.params.epoch}`;
        return reply.code(404).send({ error: 'no-consensus', message });
      }
      reply.header('cache-control', 'public, max-age=31536000, immutable');
      return sendNote(reply, issued.signed, request.headers['if-none-match']);
    },
  );

  server.get('/v1/parameters', { schema: schema.getParameters }, (request, reply) => {
    reply.header('cache-control', 'public, max-age=60');
    return sendNote(reply, desk.parameters, request.headers['if-none-match']);
  });

  server.get('/health', { schema: schema.getHealth }, (_request, reply) => {
    const current = desk.current();
    reply.header('cache-control', 'no-store');
    return reply.send({ status: 'ok', ...desk.health(), ...(current && { consensus: current.epoch }) });
  });

  server.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => reply.send(server.swagger()));
}

/** The entity tag is the document's own digest, so that it can name no reader (spec consensus 10.2). */
function sendNote(reply: FastifyReply, signed: string, known: string | undefined): FastifyReply {
  const tag = `"${createHash('sha256').update(signed).digest('hex')}"`;
  reply.header('etag', tag);
  if (known?.split(',').some((one) => one.trim() === tag)) return reply.code(304).send();
  return reply.type('text/plain; charset=utf-8').send(signed);
}
