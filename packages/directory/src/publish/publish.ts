import swagger from '@fastify/swagger';
import { cannotListen, type Endpoint, formatEndpoint } from '@postern/runtime';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { ConsensusLog } from '../log/log.ts';
import type { Registration } from '../registration.ts';
import type { Issued } from '../store.ts';
import { type AgreementDesk, addAgreementRoutes } from './agreement.ts';
import { answerFault, answerUnknownPath, statusOf } from './answers.ts';
import { addLogRoutes } from './log.ts';
import * as schema from './schema.ts';
import { send, sendNoKey, sendNote } from './send.ts';

/** What stands behind the HTTP interface. */
export interface Desk extends AgreementDesk {
  register(signed: string): Registration;
  /** The consensus to route by now. */
  current(): Issued | undefined;
  issued(epoch: number): Issued | undefined;
  /** The log of all that were issued. */
  readonly history: Pick<ConsensusLog, 'tile'>;
  /** The signed checkpoint of the log as it is, unless there is no key to sign it with. */
  checkpoint(): string | undefined;
  /** Signed parameters, unless there is no key to sign them with, and whether enough have signed them. */
  parameters(): { readonly signed: string; readonly isComplete: boolean } | undefined;
  /** Certificates of signing keys, as notes: those that may still be needed, … */
  certificates(): readonly string[];
  /** … and all. */
  allCertificates(): readonly string[];
  /** Whether more signatures may come for the consensus of an epoch. */
  isOpen(epoch: number): boolean;
  /** Milliseconds. */
  now(): number;
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
  // whoever compares clocks has to see the one that everything else here goes by
  server.addHook('onRequest', (_request, reply, done) => {
    reply.header('date', new Date(desk.now()).toUTCString());
    done();
  });
  addAgreementRoutes(server, desk);

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
      const forHow = desk.isOpen(issued.epoch) ? 'max-age=60' : 'max-age=31536000, immutable';
      reply.header('cache-control', `public, ${forHow}`);
      return sendNote(reply, issued.signed, request.headers['if-none-match']);
    },
  );

  addLogRoutes(server, desk);

  server.get('/v1/parameters', { schema: schema.getParameters }, (request, reply) => {
    const parameters = desk.parameters();
    if (parameters === undefined) return sendNoKey(reply);
    reply.header('cache-control', parameters.isComplete ? 'public, max-age=60' : 'no-store');
    return sendNote(reply, parameters.signed, request.headers['if-none-match']);
  });

  const certificates = (list: () => readonly string[]) => (request: FastifyRequest, reply: FastifyReply) => {
    reply.header('cache-control', 'public, max-age=60');
    const body = JSON.stringify(list());
    return send(reply, body, 'application/json; charset=utf-8', request.headers['if-none-match']);
  };
  server.get(
    '/v1/certificates',
    { schema: schema.getCertificates },
    certificates(() => desk.certificates()),
  );
  server.get(
    '/v1/certificates/all',
    { schema: schema.getAllCertificates },
    certificates(() => desk.allCertificates()),
  );

  server.get('/health', { schema: schema.getHealth }, (_request, reply) => {
    const current = desk.current();
    reply.header('cache-control', 'no-store');
    return reply.send({ status: 'ok', ...desk.health(), ...(current && { consensus: current.epoch }) });
  });

  server.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => reply.send(server.swagger()));
}
