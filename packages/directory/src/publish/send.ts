import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';

/** The entity tag is the document's own digest, so that it can name no reader (spec consensus 10.2). */
export function sendNote(reply: FastifyReply, signed: string, known: string | undefined): FastifyReply {
  const tag = `"${createHash('sha256').update(signed).digest('hex')}"`;
  reply.header('etag', tag);
  if (known?.split(',').some((one) => one.trim() === tag)) return reply.code(304).send();
  return reply.type('text/plain; charset=utf-8').send(signed);
}
