import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip, zstdCompress } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Sends texts, each compressed once for all who take it (RFC 9110 sections 8.4, 12.5.3). */
export interface Texts {
  note(request: FastifyRequest, reply: FastifyReply, signed: string): Promise<FastifyReply>;
  json(request: FastifyRequest, reply: FastifyReply, encoded: string): Promise<FastifyReply>;
  html(request: FastifyRequest, reply: FastifyReply, page: string): Promise<FastifyReply>;
}

/**
 * The best that is quick: more effort takes ten times as long and gains half a percent, since most of a consensus are keys. In the order in which
 * they are preferred.
 */
const codings = {
  zstd: (bytes: Buffer) => promisify(zstdCompress)(bytes),
  br: (bytes: Buffer) =>
    promisify(brotliCompress)(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    }),
  gzip: (bytes: Buffer) => promisify(gzip)(bytes),
} as const;

type Coding = keyof typeof codings;

/** Characters below which compression is not worth its header. */
const shortest = 1_024;
/** Characters of texts that stay in memory, those asked for last. */
const mostKept = 33_554_432;

interface Text {
  /** Hex SHA-256 of it: the document's own digest, so that it can name no reader (spec consensus 10.2). */
  readonly digest: string;
  readonly bytes: Buffer;
  readonly coded: Map<Coding, Promise<Buffer>>;
}

export function createTexts(): Texts {
  const kept = new Map<string, Text>();
  let length = 0;
  const textOf = (body: string): Text => {
    const text = kept.get(body) ?? newText(body);
    if (!kept.delete(body)) length += body.length;
    kept.set(body, text);
    for (const [oldest] of kept) {
      if (length <= mostKept || kept.size === 1) break;
      kept.delete(oldest);
      length -= oldest.length;
    }
    return text;
  };

  const send =
    (type: string) =>
    async (request: FastifyRequest, reply: FastifyReply, body: string): Promise<FastifyReply> => {
      const text = textOf(body);
      const coding = body.length < shortest ? undefined : codingFor(request.headers['accept-encoding']);
      const tag = `"${text.digest}"`;
      // what is compressed is the same text in other bytes, which a strong tag may not say
      reply.header('etag', coding === undefined ? tag : `W/${tag}`).header('vary', 'accept-encoding');
      if (names(request.headers['if-none-match'], tag)) return reply.code(304).send();
      reply.type(type);
      if (coding === undefined) return reply.send(text.bytes);
      const made = text.coded.get(coding) ?? codings[coding](text.bytes);
      text.coded.set(coding, made);
      return reply.header('content-encoding', coding).send(await made);
    };
  return {
    note: send('text/plain; charset=utf-8'),
    json: send('application/json; charset=utf-8'),
    html: send('text/html; charset=utf-8'),
  };
}

function newText(body: string): Text {
  const bytes = Buffer.from(body);
  return { digest: createHash('sha256').update(bytes).digest('hex'), bytes, coded: new Map() };
}

/** Compared weakly, as If-None-Match is (RFC 9110 section 13.1.2). */
function names(tags: string | undefined, tag: string): boolean {
  return tags?.split(',').some((one) => one.trim().replace(/^W\//, '') === tag) ?? false;
}

/** Of the codings that a request takes the one preferred here; none where it takes none. */
function codingFor(accepted: string | undefined): Coding | undefined {
  const weights = new Map(
    (accepted ?? '').split(',').map((item) => {
      const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
      const weight = parameters.find((one) => one.startsWith('q='))?.slice(2);
      return [name, weight === undefined || Number(weight) > 0] as const;
    }),
  );
  return (Object.keys(codings) as Coding[]).find((name) => weights.get(name) ?? weights.get('*') ?? false);
}
