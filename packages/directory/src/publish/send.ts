import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';

export function sendNote(reply: FastifyReply, signed: string, known: string | undefined): FastifyReply {
  return send(reply, signed, 'text/plain; charset=utf-8', known);
}

/** The entity tag is the document's own digest, so that it can name no reader (spec consensus 10.2). */
export function send(
  reply: FastifyReply,
  body: string,
  type: string,
  known: string | undefined,
): FastifyReply {
  const tag = `"${createHash('sha256').update(body).digest('hex')}"`;
  reply.header('etag', tag);
  if (known?.split(',').some((one) => one.trim() === tag)) return reply.code(304).send();
  return reply.type(type).send(body);
}

/** There is nothing to sign with: what had to be signed now is not to be had. */
export function sendNoKey(reply: FastifyReply): FastifyReply {
  reply.header('retry-after', '60').header('cache-control', 'no-store');
  const message = 'the authority has no key to sign with now';
  return reply.code(503).send({ error: 'no-signing-key', message });
}
