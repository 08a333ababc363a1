/** How an authority or mirror is spoken to. */
export interface AskOptions {
  /** The whole exchange, milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface Question extends AskOptions {
  /** Largest body read, bytes. */
  readonly maxBytes: number;
  /** Posted as text/plain; without it the question is a GET. */
  readonly body?: string;
}

/** Names the authority that answers: name and key id, as its key begins. */
export const authorityHeader = 'postern-authority';

export type Answer = AnswerOf<{ readonly text: string }>;
export type ByteAnswer = AnswerOf<{ readonly bytes: Uint8Array }>;

type AnswerOf<Body> =
  | ({
      readonly kind: 'answer';
      readonly status: number;
      /** Of the server's clock when the answer came, milliseconds, whole seconds; undefined when it says none. */
      readonly date: number | undefined;
      /** Which authority says that it is its own; absent for what is none. */
      readonly by?: string;
    } & Body)
  | { readonly kind: 'oversized' }
  | { readonly kind: 'unreachable'; readonly why: string };

/** One exchange whose answer is a text. */
export async function ask(url: string, question: Question): Promise<Answer> {
  const answer = await askBytes(url, question);
  if (answer.kind !== 'answer') return answer;
  const { bytes, ...rest } = answer;
  return { ...rest, text: new TextDecoder().decode(bytes) };
}

/**
 * One HTTP exchange. The request says nothing of who asks: one user agent for all, no cookies, and no entity tag, since servers have a say in what
 * stands under a document (spec consensus 10.2). Redirects are not followed. What is compressed more than once is not read: no bound of what comes
 * out bounds what goes on between.
 */
export async function askBytes(
  url: string,
  { timeoutMs, signal, maxBytes, body }: Question,
): Promise<ByteAnswer> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        'user-agent': 'postern',
        'accept-encoding': 'zstd, br, gzip',
        ...(body !== undefined && { 'content-type': 'text/plain' }),
      },
      ...(body !== undefined && { body }),
      redirect: 'manual',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    if (response.headers.get('content-encoding')?.includes(',')) {
      await response.body?.cancel();
      return { kind: 'unreachable', why: 'its answer is compressed more than once' };
    }
    const bytes = await readBytes(response, maxBytes);
    if (bytes === undefined) return { kind: 'oversized' };
    const by = authorityIn(response);
    const said = by === undefined ? {} : { by };
    return { kind: 'answer', status: response.status, bytes, date: dateOf(response), ...said };
  } catch (error) {
    signal?.throwIfAborted();
    return { kind: 'unreachable', why: timeout.aborted ? `no answer within ${timeoutMs} ms` : whyOf(error) };
  }
}

/** It is shown to people, so it is nothing that is not a name and a key id. */
function authorityIn({ headers }: Response): string | undefined {
  return /^[!-~]{1,255}\+[0-9a-f]{8}$/.exec(headers.get(authorityHeader) ?? '')?.[0];
}

/** What lies between may have kept the answer for a while (RFC 9111 section 5.1). */
function dateOf({ headers }: Response): number | undefined {
  const date = Date.parse(headers.get('date') ?? '');
  const age = /^\d{1,9}$/.exec(headers.get('age') ?? '')?.[0] ?? 0;
  return Number.isNaN(date) ? undefined : date + Number(age) * 1_000;
}

/** The body, decompressed, read no further than the bound; undefined when it is longer. */
async function readBytes(response: Response, maxBytes: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    // leaving the loop cancels the rest
    if (length > maxBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const words: ReadonlyMap<string, string> = new Map([
  ['ENOTFOUND', 'there is no such name'],
  ['EAI_AGAIN', 'the name could not be looked up'],
]);

/** `fetch` hides what happened in the cause. */
function whyOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (!(cause instanceof Error)) return `unreachable (${String(cause)})`;
  if (cause.name === 'HTTPParserError') return 'what answers there does not speak HTTP';
  const { code } = cause as NodeJS.ErrnoException;
  if (code === undefined) return `unreachable (${cause.message})`;
  const inWords = words.get(code);
  return `unreachable (${code}${inWords === undefined ? '' : `: ${inWords}`})`;
}
