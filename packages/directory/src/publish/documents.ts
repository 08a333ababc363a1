import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ConsensusLog } from '../log/log.ts';
import type { Issued } from '../store.ts';
import type { Texts } from './codings.ts';
import { createDiffs } from './diffs.ts';
import { addLogRoutes } from './log.ts';
import * as schema from './schema.ts';
import { sendNoKey } from './send.ts';

/** What a reader fetches, from an authority or a mirror. */
export interface Documents {
  /** The consensus to route by now. */
  current(): Issued | undefined;
  issued(epoch: number): Issued | undefined;
  /** The log of all that were issued. */
  readonly history: Pick<ConsensusLog, 'tile'>;
  /** The signed checkpoint of the log as it is, unless there is none now. */
  checkpoint(): string | undefined;
  /** Signed parameters, unless there are none now, and whether enough have signed them. */
  parameters(): { readonly signed: string; readonly isComplete: boolean } | undefined;
  /** Certificates of signing keys, as notes: those that may still be needed, … */
  certificates(): readonly string[];
  /** … and all. */
  allCertificates(): readonly string[];
  /** Signed notices of outages. */
  outages(): readonly string[] | Promise<readonly string[]>;
  /** Whether more signatures may come for the consensus of an epoch. */
  isOpen(epoch: number): boolean;
  /** Seconds until the consensus of an epoch stops being fresh; 0 when it has. */
  freshFor(epoch: number): number;
}

export function addDocumentRoutes(server: FastifyInstance, documents: Documents, texts: Texts): void {
  const diffs = createDiffs(documents);
  const sendDiff = (
    request: FastifyRequest,
    reply: FastifyReply,
    diff: string | undefined,
  ): FastifyReply | Promise<FastifyReply> => {
    if (diff !== undefined) return texts.json(request, reply, diff);
    reply.header('cache-control', 'no-store');
    const message = 'there is no diff from this consensus: fetch the whole';
    return reply.code(404).send({ error: 'no-diff', message });
  };

  server.get('/v1/consensus', { schema: schema.getConsensus }, (request, reply) => {
    const current = documents.current();
    if (current === undefined) return sendNone(reply);
    cacheCurrent(documents, reply, current);
    return texts.note(request, reply, current.signed);
  });

  server.get<{ Params: { digest: string } }>(
    '/v1/consensus/diff/:digest',
    { schema: schema.getDiff },
    (request, reply) => {
      const current = documents.current();
      if (current === undefined) return sendNone(reply);
      cacheCurrent(documents, reply, current);
      return sendDiff(request, reply, diffs(request.params.digest, current));
    },
  );

  server.get<{ Params: { epoch: string } }>(
    '/v1/consensus/:epoch',
    { schema: schema.getPastConsensus },
    (request, reply) => {
      const issued = documents.issued(Number(request.params.epoch));
      if (issued === undefined) return sendNoneFor(reply, request.params.epoch);
      cacheIssued(documents, reply, issued);
      return texts.note(request, reply, issued.signed);
    },
  );

  server.get<{ Params: { epoch: string; digest: string } }>(
    '/v1/consensus/:epoch/diff/:digest',
    { schema: schema.getPastDiff },
    (request, reply) => {
      const issued = documents.issued(Number(request.params.epoch));
      if (issued === undefined) return sendNoneFor(reply, request.params.epoch);
      cacheIssued(documents, reply, issued);
      return sendDiff(request, reply, diffs(request.params.digest, issued));
    },
  );

  addLogRoutes(server, documents, texts);

  server.get('/v1/parameters', { schema: schema.getParameters }, (request, reply) => {
    const parameters = documents.parameters();
    if (parameters === undefined) return sendNoKey(reply);
    reply.header('cache-control', parameters.isComplete ? 'public, max-age=60' : 'no-store');
    return texts.note(request, reply, parameters.signed);
  });

  const certificates =
    (list: () => readonly string[]) =>
    (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      reply.header('cache-control', 'public, max-age=60');
      return texts.json(request, reply, JSON.stringify(list()));
    };
  server.get(
    '/v1/certificates',
    { schema: schema.getCertificates },
    certificates(() => documents.certificates()),
  );
  server.get('/v1/outages', { schema: schema.getOutages }, async (request, reply) => {
    const outages = await documents.outages();
    reply.header('cache-control', 'public, max-age=30');
    return texts.json(request, reply, JSON.stringify(outages));
  });
  server.get(
    '/v1/certificates/all',
    { schema: schema.getAllCertificates },
    certificates(() => documents.allCertificates()),
  );
}

function cacheCurrent(documents: Documents, reply: FastifyReply, { epoch }: Issued): void {
  // while the next one is late, asking again soon is right
  reply.header('cache-control', `public, max-age=${Math.max(documents.freshFor(epoch), 1)}`);
}

function cacheIssued(documents: Documents, reply: FastifyReply, { epoch }: Issued): void {
  const forHow = documents.isOpen(epoch) ? 'max-age=60' : 'max-age=31536000, immutable';
  reply.header('cache-control', `public, ${forHow}`);
}

function sendNone(reply: FastifyReply): FastifyReply {
  reply.header('retry-after', '5').header('cache-control', 'no-store');
  const message = 'there is no consensus to serve';
  return reply.code(503).send({ error: 'no-consensus', message });
}

function sendNoneFor(reply: FastifyReply, epoch: string): FastifyReply {
  reply.header('cache-control', 'no-store');
  const message = `there is no consensus for epoch ${epoch} here`;
  return reply.code(404).send({ error: 'no-consensus', message });
}
