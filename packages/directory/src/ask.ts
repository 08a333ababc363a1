/** How an authority or mirror is spoken to. */
export interface AskOptions {
  /** The whole exchange, milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface Question extends AskOptions {
  /** Largest body read, bytes. */
  readonly maxBytes: number;
  /** Digest (hex SHA-256) of the document that is here already. */
  readonly known?: string | undefined;
  /** Posted as text/plain; without it the question is a GET. */
  readonly body?: string;
}

export type Answer =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly text: string;
      /** Of the server's clock, milliseconds, whole seconds; undefined when it says none. */
      readonly date: number | undefined;
    }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'oversized' }
  | { readonly kind: 'unreachable'; readonly why: string };

/**
 * One HTTP exchange. The request says nothing of who asks: one user agent for all, no cookies, and an entity tag that is the
 * document's digest and not the server's choice (spec consensus 10.2). Redirects are not followed.
 */
export async function ask(
  url: string,
  { timeoutMs, signal, maxBytes, known, body }: Question,
): Promise<Answer> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        'user-agent': 'postern',
        ...(body !== undefined && { 'content-type': 'text/plain' }),
        ...(known !== undefined && { 'if-none-match': `"${known}"` }),
      },
      ...(body !== undefined && { body }),
      redirect: 'manual',
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    if (response.status === 304 && known !== undefined) {
      await response.body?.cancel();
      return { kind: 'unchanged' };
    }
    const text = await readText(response, maxBytes);
    if (text === undefined) return { kind: 'oversized' };
    const date = Date.parse(response.headers.get('date') ?? '');
    return { kind: 'answer', status: response.status, text, date: Number.isNaN(date) ? undefined : date };
  } catch (error) {
    signal?.throwIfAborted();
    return { kind: 'unreachable', why: timeout.aborted ? `no answer within ${timeoutMs} ms` : whyOf(error) };
  }
}

/** The body as UTF-8, read no further than the bound; undefined when it is longer. */
async function readText(response: Response, maxBytes: number): Promise<string | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    // leaving the loop cancels the rest
    if (length > maxBytes) return undefined;
    parts.push(part);
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

/** `fetch` hides what happened in the cause. */
function whyOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (cause instanceof Error && 'code' in cause) return `unreachable (${String(cause.code)})`;
  return `unreachable (${cause instanceof Error ? cause.message : String(cause)})`;
}
