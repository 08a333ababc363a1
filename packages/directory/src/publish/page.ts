import type { FastifyInstance } from 'fastify';
import { policy } from '../page/style.ts';
import type { Desk } from './publish.ts';
import * as schema from './schema.ts';
import { send } from './send.ts';

/** The page for people. It takes nothing from anywhere and tells no other server that somebody came from here. */
export function addPage(server: FastifyInstance, desk: Pick<Desk, 'page'>): void {
  server.get('/', { schema: schema.getPage }, (request, reply) => {
    reply
      .header('cache-control', 'public, max-age=10')
      .header('content-security-policy', policy)
      .header('referrer-policy', 'no-referrer')
      .header('x-content-type-options', 'nosniff');
    return send(reply, desk.page(), 'text/html; charset=utf-8', request.headers['if-none-match']);
  });
}
