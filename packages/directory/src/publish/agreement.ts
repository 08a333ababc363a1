import { Readable } from 'node:stream';
import {
  certifiedLength,
  maxConsensusLength,
  maxRevealLength,
  maxVoteLength,
} from '@postern/protocol/consensus';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { mostBodies, type Part, type Receipt, type ToldAuthorities } from '../ballots.ts';
import * as schema from './agreement-schema.ts';
import { ballotStatusOf } from './answers.ts';

/** Whom an authority goes by. */
export interface AuthoritiesDesk {
  /** Its own name and key id. */
  readonly by: string;
  authorities(): ToldAuthorities;
}

/** What authorities tell each other, and anybody who audits them. */
export interface AgreementDesk {
  receiveBallot(part: Part, signed: string): Receipt;
  receiveSigned(signed: string): Receipt;
  /** Digests of the ballots that are passed on in the slot under way, and each of them. */
  passed(): Readonly<Record<Part, readonly string[]>>;
  passedOn(digest: string): string | undefined;
  holdings(): { readonly first?: number; readonly newest?: number };
  /** JSON, in pieces; of the votes only those of one authority, and no reveals, when it is named. */
  record(epoch: number, of?: string): Iterable<string> | undefined;
  /** Whether more may be said for an epoch. */
  isOpen(epoch: number): boolean;
  signedFor(epoch: number): string | undefined;
  descriptor(digest: string): string | undefined;
}

/** Bytes that a note may have beyond its length: names of authorities need not be ASCII. */
const spare = 262_144;

export function addAgreementRoutes(server: FastifyInstance, desk: AgreementDesk & AuthoritiesDesk): void {
  const take =
    (receive: (signed: string) => Receipt) =>
    (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
      const receipt = receive(typeof request.body === 'string' ? request.body : '');
      if (receipt.kind !== 'refused') return reply.code(202).send({ outcome: receipt.kind });
      const { reason, detail } = receipt;
      return reply.code(ballotStatusOf(reason)).send({ error: reason, message: detail });
    };
  server.post(
    '/v1/agreement/votes',
    { schema: schema.postVote, bodyLimit: certifiedLength(maxVoteLength) + spare },
    take((signed) => desk.receiveBallot('vote', signed)),
  );
  server.post(
    '/v1/agreement/reveals',
    { schema: schema.postReveal, bodyLimit: certifiedLength(maxRevealLength) + spare },
    take((signed) => desk.receiveBallot('reveal', signed)),
  );
  server.post(
    '/v1/agreement/signatures',
    { schema: schema.postSignatures, bodyLimit: certifiedLength(maxConsensusLength) + spare },
    take(desk.receiveSigned),
  );

  server.post(
    '/v1/agreement/descriptors',
    { schema: schema.postDescriptors, bodyLimit: mostBodies * 65 },
    (request, reply) => {
      const digests = typeof request.body === 'string' ? request.body.split('\n').slice(0, -1) : [];
      if (digests.length === 0 || !digests.every((digest) => /^[0-9a-f]{64}$/.test(digest)))
        return reply.code(400).send({ error: 'no-digests', message: 'each line has to be a digest in hex' });
      return reply.send([...new Set(digests)].flatMap((digest) => desk.descriptor(digest) ?? []));
    },
  );

  server.get('/v1/agreement', { schema: schema.getHoldings }, (_request, reply) =>
    reply.header('cache-control', 'no-store').send(desk.holdings()),
  );

  server.get('/v1/agreement/authorities', { schema: schema.getAuthorities }, (_request, reply) =>
    reply.header('cache-control', 'no-store').send(desk.authorities()),
  );

  server.get('/v1/agreement/passed', { schema: schema.getPassed }, (_request, reply) => {
    const { vote, reveal } = desk.passed();
    return reply.header('cache-control', 'no-store').send({ votes: vote, reveals: reveal });
  });

  server.get<{ Params: { digest: string } }>(
    '/v1/agreement/passed/:digest',
    { schema: schema.getBallot },
    (request, reply) => {
      const signed = desk.passedOn(request.params.digest);
      reply.header('cache-control', 'no-store');
      if (signed !== undefined) return reply.type('text/plain; charset=utf-8').send(signed);
      return missing(reply, 'no-ballot', 'this is not passed on at this time');
    },
  );

  server.get<{ Params: { epoch: string }; Querystring: { of?: string } }>(
    '/v1/agreement/:epoch',
    { schema: schema.getRecord },
    (request, reply) => {
      const epoch = Number(request.params.epoch);
      const record = desk.record(epoch, request.query.of);
      reply.header('cache-control', desk.isOpen(epoch) ? 'no-store' : 'public, max-age=600');
      if (record !== undefined) {
        // nothing that nobody reads is put together
        const pieces = request.method === 'HEAD' ? [] : record;
        return reply.type('application/json; charset=utf-8').send(Readable.from(pieces));
      }
      return missing(reply, 'no-agreement', `nothing was said for epoch ${request.params.epoch}`);
    },
  );

  server.get<{ Params: { epoch: string } }>(
    '/v1/agreement/:epoch/consensus',
    { schema: schema.getSigned },
    (request, reply) => {
      const signed = desk.signedFor(Number(request.params.epoch));
      reply.header('cache-control', 'no-store');
      if (signed !== undefined) return reply.type('text/plain; charset=utf-8').send(signed);
      return missing(reply, 'no-consensus', `nobody has signed one for epoch ${request.params.epoch}`);
    },
  );

  server.get<{ Params: { digest: string } }>(
    '/v1/descriptors/:digest',
    { schema: schema.getDescriptor },
    (request, reply) => {
      const signed = desk.descriptor(request.params.digest);
      if (signed === undefined) return missing(reply, 'no-descriptor', 'this descriptor is not here');
      reply.header('cache-control', 'public, max-age=31536000, immutable');
      return reply.type('text/plain; charset=utf-8').send(signed);
    },
  );
}

function missing(reply: FastifyReply, error: string, message: string): FastifyReply {
  return reply.code(404).send({ error, message });
}
