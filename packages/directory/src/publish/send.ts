import type { FastifyReply } from 'fastify';

/** There is nothing to sign with: what had to be signed now is not to be had. */
export function sendNoKey(reply: FastifyReply): FastifyReply {
  reply.header('retry-after', '60').header('cache-control', 'no-store');
  const message = 'the authority has no key to sign with now';
  return reply.code(503).send({ error: 'no-signing-key', message });
}
