import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { BallotFault } from '../ballots.ts';
import type { RegisterRefusal } from '../registration.ts';

const statuses: Readonly<Record<RegisterRefusal, number>> = {
  oversized: 413,
  malformed: 400,
  'unknown-version': 400,
  'bad-certificate': 400,
  'bad-signature': 400,
  revoked: 403,
  'not-allowed': 403,
  'from-the-future': 400,
  'too-old': 400,
  'older-certificate': 409,
  'not-newer': 409,
  'name-taken': 409,
  'domain-taken': 409,
  'too-often': 429,
  full: 503,
};

/** The HTTP status of a refusal. */
export function statusOf(reason: RegisterRefusal): number {
  return statuses[reason];
}

const ballotStatuses: Readonly<Record<BallotFault, number>> = {
  early: 409,
  late: 409,
  'other-slot': 409,
  'not-committed': 409,
  'no-ballot': 400,
  'not-ready': 503,
  'too-often': 429,
};

/** The same of what an authority has sent. */
export function ballotStatusOf(reason: BallotFault): number {
  return ballotStatuses[reason];
}

const requestFaults: Readonly<Record<string, { error: string; message: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    error: 'oversized',
    message: 'the body is larger than anything that is taken here',
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    error: 'wrong-content-type',
    message: 'send a signed note as content-type text/plain',
  },
  FST_ERR_VALIDATION: {
    error: 'malformed',
    message: 'an epoch is a decimal number, a digest or id 64 hex digits',
  },
};

/** What an outsider is told when a request cannot be served: its own faults by name, ours without detail. */
export function answerFault(
  error: FastifyError,
  _request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const status = error.statusCode ?? 500;
  if (status < 400 || status >= 500) {
    return reply.code(500).send({ error: 'internal', message: 'the authority failed; try again later' });
  }
  return reply.code(status).send(
    requestFaults[error.code] ?? {
      error: 'malformed',
      message: 'this is no request that is understood here',
    },
  );
}

export function answerUnknownPath(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.code(404).send({ error: 'no-such-path', message: 'what there is stands in /openapi.json' });
}
