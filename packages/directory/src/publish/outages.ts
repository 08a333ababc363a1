import type { FastifyInstance } from 'fastify';
import type { Texts } from './codings.ts';
import type { Desk } from './publish.ts';
import * as schema from './schema.ts';

/** What authorities say of mixes that cannot be reached (spec outage 5). */
export function addOutages(server: FastifyInstance, desk: Pick<Desk, 'outages'>, texts: Texts): void {
  server.get('/v1/outages', { schema: schema.getOutages }, (request, reply) => {
    reply.header('cache-control', 'public, max-age=30');
    return texts.json(request, reply, JSON.stringify(desk.outages()));
  });
}
