import type { FastifySchema } from 'fastify';

/** The head of the OpenAPI document; the paths come from the routes. */
export const document = {
  openapi: '3.1.0',
  info: {
    title: 'Postern directory authority',
    version: '1',
    description:
      'Takes signed node descriptors and serves the signed consensus of each epoch. Documents are C2SP signed notes; what they hold and how they are verified stands in docs/spec/consensus.md. Beside them the log of all consensuses, docs/spec/log.md.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
} as const;

/** The same of a mirror's. */
export const mirrorDocument: object = {
  ...document,
  info: {
    ...document.info,
    title: 'Postern mirror',
    description:
      'Serves what directory authorities have signed, and the log of all consensuses, to readers: docs/spec/consensus.md, section 10.',
  },
};

export function json(
  description: string,
  properties: Record<string, object>,
  required: readonly string[] = Object.keys(properties),
): object {
  const schema = { type: 'object', properties, required, additionalProperties: false };
  return { description, content: { 'application/json': { schema } } };
}

export function error(description: string): object {
  return json(description, {
    error: { type: 'string', description: 'Names the reason; one of a closed set for each path.' },
    message: { type: 'string', description: 'Says it to a person.' },
  });
}

export const note: object = {
  'text/plain': { schema: { type: 'string', description: 'A C2SP signed note.' } },
};
const unchanged = { description: 'The document that If-None-Match names is still the one.', type: 'null' };
const tag = { 'if-none-match': { type: 'string', maxLength: 1024 }, 'accept-encoding': { type: 'string' } };
const headers = { type: 'object', properties: tag };
const id = { type: 'string', pattern: '^[0-9a-f]{64}$', description: "SHA-256 of the node's identity key." };
export const epoch: object = { type: 'integer', minimum: 0 };

const epochText = { type: 'string', pattern: '^(0|[1-9][0-9]{0,9})$' };
const digestText = {
  type: 'string',
  pattern: '^[0-9a-f]{64}$',
  description: 'SHA-256 of the text of the consensus at hand, without its signatures.',
};
export const pastEpoch: object = { type: 'object', properties: { epoch: epochText }, required: ['epoch'] };

export const getPage: FastifySchema = {
  summary: 'The state of the authority, for people',
  operationId: 'getPage',
  headers,
  response: {
    200: {
      description: 'A page without scripts, which takes nothing from elsewhere.',
      content: { 'text/html': { schema: { type: 'string' } } },
    },
    304: unchanged,
  },
};

export const postDescriptor: FastifySchema = {
  summary: 'Register a node',
  operationId: 'postDescriptor',
  body: { content: note },
  response: {
    202: json('Stored; it counts from the next consensus on.', { id }),
    400: error('It does not hold, or its time does not.'),
    403: error('This node may not register here.'),
    409: error('It contradicts a descriptor that is stored.'),
    413: error('It is too large.'),
    415: error('It is not text/plain.'),
    429: error('Too many came in. Retry-After says when to try again.'),
    503: error('The authority takes no more nodes.'),
  },
};

export const getConsensus: FastifySchema = {
  summary: 'The newest consensus',
  operationId: 'getConsensus',
  headers,
  response: {
    200: { description: 'Fresh for as long as Cache-Control says.', content: note },
    304: unchanged,
    503: error('There is none yet. Retry-After says when to try again.'),
  },
};

export const getPastConsensus: FastifySchema = {
  summary: 'The consensus of an epoch',
  operationId: 'getPastConsensus',
  headers,
  params: pastEpoch,
  response: {
    200: { description: 'Never changes, but for signatures that come late.', content: note },
    304: unchanged,
    400: error('The epoch is no number.'),
    404: error('There is none for this epoch.'),
  },
};

const diffContent = {
  'application/json': {
    schema: {
      type: 'object',
      properties: {
        from: { ...digestText, description: 'Of the text that it is applied to.' },
        to: { ...digestText, description: 'Of the text that it makes.' },
        members: { type: 'object', description: 'Top-level members that differ, but for `nodes`.' },
        nodes: {
          type: 'object',
          properties: {
            gone: { type: 'array', items: { type: 'string' } },
            changed: {
              type: 'array',
              items: { type: 'object', description: '`id`, and the members that differ.' },
            },
          },
        },
        signatures: { type: 'string', description: 'The signature lines of the note that it makes.' },
      },
    },
  },
};
const diffResponse = {
  200: { description: 'What makes that consensus of the one at hand.', content: diffContent },
  304: unchanged,
  400: error('It is no digest, or the epoch is no number.'),
  404: error('There is none: the whole has to be fetched.'),
};

export const getDiff: FastifySchema = {
  summary: 'What makes the newest consensus of the one at hand',
  operationId: 'getDiff',
  headers,
  params: { type: 'object', properties: { digest: digestText }, required: ['digest'] },
  response: { ...diffResponse, 503: error('There is none yet. Retry-After says when to try again.') },
};

export const getPastDiff: FastifySchema = {
  summary: 'What makes the consensus of an epoch of the one at hand',
  operationId: 'getPastDiff',
  headers,
  params: {
    type: 'object',
    properties: { epoch: epochText, digest: digestText },
    required: ['epoch', 'digest'],
  },
  response: diffResponse,
};
const hash = { type: 'string', pattern: '^[0-9a-f]{64}$' };

export const getRegistered: FastifySchema = {
  summary: 'That a node was counted, though the newest consensus has no entry of it',
  description:
    'Its leaf and the way from there to the root that the consensus names: docs/spec/consensus.md, section 8.7.',
  operationId: 'getRegistered',
  params: { type: 'object', properties: { id }, required: ['id'] },
  response: {
    200: json('It stands.', {
      epoch,
      consensus: { ...hash, description: 'Digest of the consensus.' },
      id,
      descriptor: { ...hash, description: 'SHA-256 of the descriptor as it was signed.' },
      at: { type: 'integer', minimum: 0, description: 'Place of the leaf.' },
      proof: { type: 'array', items: hash, description: 'RFC 6962, section 2.1.1.' },
    }),
    400: error('It is no id.'),
    404: error('It has an entry, or does not stand, or that is not known here.'),
  },
};

export const getParameters: FastifySchema = {
  summary: 'What a node has to know before there is a consensus',
  operationId: 'getParameters',
  headers,
  response: {
    200: { description: 'Signed by all authorities that say the same.', content: note },
    304: unchanged,
    503: error('There is no key to sign with. Retry-After says when to try again.'),
  },
};

const certificates = {
  'application/json': {
    schema: {
      type: 'array',
      items: { type: 'string', description: 'A C2SP signed note: a certificate, by an identity key.' },
    },
  },
};

export const getCertificates: FastifySchema = {
  summary: 'The signing keys of authorities',
  operationId: 'getCertificates',
  headers,
  response: {
    200: { description: 'Of keys that documents in use may be signed with.', content: certificates },
    304: unchanged,
  },
};

export const getAllCertificates: FastifySchema = {
  summary: 'The signing keys of authorities, those past too',
  operationId: 'getAllCertificates',
  headers,
  response: {
    200: { description: 'Of all keys that documents of the past are signed with.', content: certificates },
    304: unchanged,
  },
};

export const getCheckpoint: FastifySchema = {
  summary: 'How long the log of consensuses is, and its root',
  operationId: 'getCheckpoint',
  headers,
  response: {
    200: { description: 'A C2SP tlog-checkpoint, signed by the authority.', content: note },
    304: unchanged,
    503: error('There is no key to sign it with now. Retry-After says when to try again.'),
  },
};

export const getTile: FastifySchema = {
  summary: 'A tile of the log, or the leaves under one',
  description:
    'C2SP tlog-tiles under the prefix /v1/log: `<L>/<N>[.p/<W>]` for hashes of level L, `entries/<N>[.p/<W>]` for leaves.',
  operationId: 'getTile',
  params: {
    type: 'object',
    properties: { '*': { type: 'string', maxLength: 64, description: 'For example 0/x001/234.p/8.' } },
    required: ['*'],
  },
  response: {
    200: {
      description: 'Never changes.',
      content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
    },
    400: error('It is no name of a tile.'),
    404: error('The log does not reach so far.'),
  },
};

export const getOutages: FastifySchema = {
  summary: 'Mixes that authorities cannot reach',
  operationId: 'getOutages',
  headers,
  response: {
    200: {
      description: 'Signed notices, one of each authority at most; each counts for ten minutes.',
      content: {
        'application/json': {
          schema: { type: 'array', items: { type: 'string', description: 'A C2SP signed note.' } },
        },
      },
    },
    304: unchanged,
  },
};

export const getHealth: FastifySchema = {
  summary: 'Whether the authority runs',
  operationId: 'getHealth',
  response: {
    200: json(
      'It does.',
      {
        status: { type: 'string', const: 'ok' },
        epoch: { ...epoch, description: 'The epoch by its clock.' },
        consensus: {
          ...epoch,
          description: 'The epoch of the newest consensus; absent while there is none.',
        },
        registered: { type: 'integer', minimum: 0, description: 'Descriptors stored.' },
      },
      ['status', 'epoch', 'registered'],
    ),
  },
};
