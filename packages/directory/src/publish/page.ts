import type { FastifyInstance } from 'fastify';
import { policy } from '../page/style.ts';
import type { Texts } from './codings.ts';
import type { Desk } from './publish.ts';
import * as schema from './schema.ts';

/** The page for people. It takes nothing from anywhere and tells no other server that somebody came from here. */
export function addPage(server: FastifyInstance, desk: Pick<Desk, 'page'>, texts: Texts): void {
  server.get('/', { schema: schema.getPage }, (request, reply) => {
    reply
      .header('cache-control', 'public, max-age=10')
      .header('content-security-policy', policy)
      .header('referrer-policy', 'no-referrer')
      .header('x-content-type-options', 'nosniff');
    return texts.html(request, reply, desk.page());
  });
}
