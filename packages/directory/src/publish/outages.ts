import type { FastifyInstance } from 'fastify';
import type { Desk } from './publish.ts';
import * as schema from './schema.ts';
import { send } from './send.ts';

/** What authorities say of mixes that cannot be reached (spec outage 5). */
export function addOutages(server: FastifyInstance, desk: Pick<Desk, 'outages'>): void {
  server.get('/v1/outages', { schema: schema.getOutages }, (request, reply) => {
    reply.header('cache-control', 'public, max-age=30');
    const body = JSON.stringify(desk.outages());
    return send(reply, body, 'application/json; charset=utf-8', request.headers['if-none-match']);
  });
}
