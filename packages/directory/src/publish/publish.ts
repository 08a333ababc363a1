import type { Endpoint } from '@postern/runtime';
import type { FastifyInstance } from 'fastify';
import type { Registration, Shown } from '../registration.ts';
import { type AgreementDesk, type AuthoritiesDesk, addAgreementRoutes } from './agreement.ts';
import { statusOf } from './answers.ts';
import { createTexts } from './codings.ts';
import { addDocumentRoutes, type Documents } from './documents.ts';
import { addPage } from './page.ts';
import * as schema from './schema.ts';
import { type Served, serve } from './serve.ts';

/** What stands behind an authority's HTTP interface. */
export interface Desk extends AgreementDesk, Documents {
  register(signed: string): Registration;
  /** For people: HTML. */
  page(): string;
  /** Milliseconds. */
  now(): number;
  /** That a node stood for the current consensus. */
  registered(id: string): Shown;
  health(): { readonly epoch: number; readonly registered: number };
}

/** Serves what the authority has to say over HTTP. Throws `UserError` when the address cannot be had. */
export function publish(listen: Endpoint, desk: Desk & AuthoritiesDesk): Promise<Served> {
  return serve({
    listen,
    setting: '`listen`',
    what: 'the consensus cannot be served',
    by: desk.by,
    openapi: schema.document,
    now: () => desk.now(),
    addRoutes: (server) => addRoutes(server, desk),
  });
}

const unregistered: Readonly<Record<Exclude<Shown['kind'], 'registered'>, string>> = {
  'in-consensus': 'the consensus itself has an entry of this node',
  'not-registered': 'this node did not stand when the consensus was counted',
  'not-kept': 'this authority has not counted the consensus itself; ask another one',
};

function addRoutes(server: FastifyInstance, desk: Desk & AuthoritiesDesk): void {
  const texts = createTexts();
  addPage(server, desk, texts);
  addAgreementRoutes(server, desk);

  server.post<{ Body: unknown }>('/v1/descriptors', { schema: schema.postDescriptor }, (request, reply) => {
    const outcome = desk.register(typeof request.body === 'string' ? request.body : '');
    if (outcome.kind === 'registered') return reply.code(202).send({ id: outcome.id });
    if (outcome.reason === 'too-often') reply.header('retry-after', '60');
    return reply.code(statusOf(outcome.reason)).send({ error: outcome.reason, message: outcome.detail });
  });

  addDocumentRoutes(server, desk, texts);

  server.get<{ Params: { id: string } }>(
    '/v1/registered/:id',
    { schema: schema.getRegistered },
    (request, reply) => {
      const shown = desk.registered(request.params.id);
      reply.header('cache-control', 'public, max-age=60');
      if (shown.kind === 'registered') return reply.send(shown.proof);
      return reply.code(404).send({ error: shown.kind, message: unregistered[shown.kind] });
    },
  );

  server.get('/health', { schema: schema.getHealth }, (_request, reply) => {
    const current = desk.current();
    reply.header('cache-control', 'no-store');
    return reply.send({ status: 'ok', ...desk.health(), ...(current && { consensus: current.epoch }) });
  });
}
