import { parseTileName } from '@postern/protocol/log';
import type { FastifyInstance } from 'fastify';
import type { Texts } from './codings.ts';
import type { Documents } from './documents.ts';
import * as schema from './schema.ts';
import { sendNoKey } from './send.ts';

/** The log of consensuses, as C2SP tlog-tiles has it under the prefix `/v1/log` (spec log 4). */
export function addLogRoutes(
  server: FastifyInstance,
  documents: Pick<Documents, 'history' | 'checkpoint'>,
  texts: Texts,
): void {
  server.get('/v1/log/checkpoint', { schema: schema.getCheckpoint }, (request, reply) => {
    const checkpoint = documents.checkpoint();
    if (checkpoint === undefined) return sendNoKey(reply);
    reply.header('cache-control', 'public, max-age=5');
    return texts.note(request, reply, checkpoint);
  });

  server.get<{ Params: { '*': string } }>('/v1/log/tile/*', { schema: schema.getTile }, (request, reply) => {
    const name = parseTileName(request.params['*']);
    if (name === undefined)
      return reply.code(400).send({ error: 'malformed', message: 'this is no name of a tile' });
    const tile = documents.history.tile(name);
    if (tile === undefined)
      return reply.code(404).send({ error: 'no-tile', message: 'the log does not reach so far' });
    reply.header('cache-control', 'public, max-age=31536000, immutable');
    return reply.type('application/octet-stream').send(tile);
  });
}
