import type { FastifySchema } from 'fastify';
import { epoch, error, json, note, pastEpoch } from './schema.ts';

const taken = json('It is taken, or was known.', {
  outcome: { type: 'string', enum: ['taken', 'known'] },
});

const answers = {
  202: taken,
  400: error('It does not hold, or is from no authority known here.'),
  409: error('It comes too early or too late, or is for another slot.'),
  413: error('It is too large.'),
  415: error('It is not text/plain.'),
  429: error('Its sender has sent too much.'),
  503: error('This authority takes no part at this time.'),
};

export const postVote: FastifySchema = {
  summary: 'A vote, for another authority',
  operationId: 'postVote',
  body: { content: note },
  response: answers,
};

export const postReveal: FastifySchema = {
  summary: 'A reveal, for another authority',
  operationId: 'postReveal',
  body: { content: note },
  response: answers,
};

export const postSignatures: FastifySchema = {
  summary: 'A consensus under signatures that may not be enough yet, for another authority',
  operationId: 'postSignatures',
  body: { content: note },
  response: answers,
};

export const getHoldings: FastifySchema = {
  summary: 'Of which epochs the authority has a consensus',
  operationId: 'getHoldings',
  response: {
    200: json(
      'Both are absent while there is none.',
      {
        first: { ...epoch, description: 'The lowest epoch.' },
        newest: { ...epoch, description: 'The highest epoch, which may not have begun.' },
      },
      [],
    ),
  },
};

export const getAuthorities: FastifySchema = {
  summary: 'Which authorities this one goes by, and how many of them have to sign',
  operationId: 'getAuthorities',
  response: {
    200: json('As it is configured.', {
      authorities: {
        type: 'array',
        items: { type: 'string', description: 'name+keyid+key' },
        description: 'Verifier keys, its own too.',
      },
      threshold: { type: 'integer', minimum: 1, description: 'So many sign a consensus, or it is none.' },
    }),
  },
};

const notes = (description: string): object => ({
  type: 'array',
  items: { type: 'string', description: 'A C2SP signed note.' },
  description,
});

const digest = { type: 'string', pattern: '^[0-9a-f]{64}$' };
const digests = (description: string): object => ({ type: 'array', items: digest, description });

export const getPassed: FastifySchema = {
  summary: 'Which ballots the authority passes on in the slot under way, for another authority',
  operationId: 'getPassed',
  response: {
    200: json('Digests of their texts.', { votes: digests('Of votes.'), reveals: digests('Of reveals.') }),
  },
};

export const getBallot: FastifySchema = {
  summary: 'A ballot that the authority passes on, with its signature',
  operationId: 'getBallot',
  params: { type: 'object', properties: { digest }, required: ['digest'] },
  response: {
    200: { description: 'A vote or a reveal.', content: note },
    400: error('The digest is none.'),
    404: error('It is not passed on at this time.'),
  },
};

export const getRecord: FastifySchema = {
  summary: 'What authorities have said for an epoch',
  operationId: 'getAgreement',
  params: pastEpoch,
  querystring: {
    type: 'object',
    properties: {
      of: {
        type: 'string',
        maxLength: 255,
        description: 'Name of an authority: of the votes only its own are served, and no reveals.',
      },
    },
  },
  response: {
    200: json('Grows until the epoch is over.', {
      epoch,
      votes: notes('Two of one authority in one slot are both here.'),
      reveals: notes('What votes have committed to.'),
      documents: notes('More than one when authorities have signed different ones.'),
    }),
    400: error('The epoch is no number, or the name too long.'),
    404: error('Nothing was said for this epoch that is known here.'),
  },
};

export const getSigned: FastifySchema = {
  summary: 'A consensus under the signatures that have come in',
  operationId: 'getSigned',
  params: pastEpoch,
  response: {
    200: { description: 'They may not be enough yet.', content: note },
    400: error('The epoch is no number.'),
    404: error('Nobody has signed one that is known here.'),
  },
};

export const postDescriptors: FastifySchema = {
  summary: 'Descriptors that are registered, or that votes have named of late',
  operationId: 'postDescriptors',
  body: { content: note },
  response: {
    200: {
      description: 'Those of them that are here, as notes.',
      content: { 'application/json': { schema: notes('In the order in which they were asked for.') } },
    },
    400: error('Each line of the body is a digest, and ends in a newline; up to 64.'),
    413: error('It is too large.'),
    415: error('It is not text/plain.'),
  },
};

export const getDescriptor: FastifySchema = {
  summary: 'A descriptor that is registered, or that a vote has named of late',
  operationId: 'getDescriptor',
  params: {
    type: 'object',
    properties: { digest: { type: 'string', pattern: '^[0-9a-f]{64}$' } },
    required: ['digest'],
  },
  response: {
    200: { description: 'Never changes.', content: note },
    400: error('The digest is none.'),
    404: error('It is not here.'),
  },
};
