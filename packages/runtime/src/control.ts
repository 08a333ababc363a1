import { request } from 'node:http';
import { fastify } from 'fastify';
import { ExitCode, UserError } from './errors.ts';
import { asOwner, userName } from './file-errors.ts';
import { listenOnSocket } from './unix-socket.ts';
import { isDenied } from './unreadable.ts';

export interface ControlOptions {
  /** Path of the unix socket; at most 107 bytes on Linux. */
  readonly socketPath: string;
  status(): Promise<object>;
  /** What is exported. */
  metrics(): string;
  /** What else can be asked of it, by path: of a text, answered as JSON. */
  readonly calls?: Calls;
}

export type Calls = Readonly<Record<string, (text: string) => Promise<object>>>;

/**
 * The operator's window into a running process: HTTP on a unix socket that only its owner may open. `GET /status`
 * answers JSON, `GET /metrics` the Prometheus text that a scrape would get, and `POST` of plain text to a call's path JSON.
 */
export async function serveControl({
  socketPath,
  status,
  metrics,
  calls = {},
}: ControlOptions): Promise<AsyncDisposable> {
  const server = fastify({ logger: false });
  server.setErrorHandler(async (error, _request, reply) => {
    if (!isFault(error)) return reply.send(error);
    return reply.code(503).send(tellFault(error));
  });
  server.get('/status', async () => status());
  server.get('/metrics', async (_request, reply) => {
    reply.type('text/plain; version=0.0.4; charset=utf-8');
    return metrics();
  });
  for (const [path, call] of Object.entries(calls))
    server.post(path, async ({ body }) => call(typeof body === 'string' ? body : ''));
  await listenOnSocket(server, socketPath, 0o600);
  return { [Symbol.asyncDispose]: () => server.close() };
}

/** Answers whatever is asked with a fault: for a process that has not started its work yet. */
export async function serveFault(socketPath: string, fault: () => Fault): Promise<AsyncDisposable> {
  // nobody who has asked nothing keeps the process from going on
  const server = fastify({ logger: false, forceCloseConnections: true });
  server.setNotFoundHandler(async (_request, reply) => reply.code(503).send(tellFault(fault())));
  await listenOnSocket(server, socketPath, 0o600);
  return { [Symbol.asyncDispose]: () => server.close() };
}

/** What is told of a fault that a process goes on with. */
export interface Fault {
  readonly code: string;
  readonly message: string;
  /** What to do about it, for the operator. */
  readonly hint?: string;
  /** What a process ends with that this keeps from its work. */
  readonly exitCode: number;
}

export function tellFault({ code, message, hint, exitCode }: Fault): Fault {
  return { code, message, ...(hint === undefined ? {} : { hint }), exitCode };
}

/** Of the errors that programs end with those that have a code; not of Fastify's, nor of the system's. */
function isFault(error: unknown): error is Fault {
  return error instanceof Error && 'exitCode' in error && 'code' in error && typeof error.code === 'string';
}

/** Asks a running process over its control socket. Throws `UserError` when none listens there, when it is another user's, or with the fault that it answers. */
export function readControl(socketPath: string, path: '/status' | '/metrics'): Promise<string> {
  return exchange(socketPath, { path, method: 'GET' });
}

/** Asks one of its calls; gives JSON. Throws `UserError` as `readControl` does. */
export function callControl(socketPath: string, path: string, text = ''): Promise<string> {
  return exchange(socketPath, { path, method: 'POST', text });
}

function exchange(
  socketPath: string,
  { path, method, text }: { readonly path: string; readonly method: 'GET' | 'POST'; readonly text?: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = text === undefined ? {} : { 'content-type': 'text/plain' };
    const asked = { socketPath, path, method, headers, agent: false, timeout: 30_000 };
    const ask = request(asked, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(parts).toString('utf8');
        if (response.statusCode === 200) resolve(body);
        else reject(refused(response.statusCode, body, socketPath));
      });
    });
    ask.on('timeout', () => ask.destroy(new Error('no answer within 30 s')));
    ask.on('error', (cause) => reject(unanswered(socketPath, cause)));
    ask.end(text);
  });
}

function unanswered(socketPath: string, cause: Error): UserError {
  if (isDenied(cause))
    return new UserError(
      `${userName()} may not use ${socketPath} (${(cause as NodeJS.ErrnoException).code})`,
      {
        exitCode: ExitCode.noPermission,
        hint: `Whether a process answers there is not known. Run this as the user whose it is: ${asOwner(socketPath)}`,
        cause,
      },
    );
  return new UserError(`no process answers on ${socketPath}`, {
    exitCode: ExitCode.unavailable,
    hint: 'Is it running, and is this its data directory?',
    cause,
  });
}

function refused(status: number | undefined, body: string, socketPath: string): UserError {
  if (status !== 503) return new UserError(`the process answered ${status ?? 'nothing'} on ${socketPath}`);
  const { message, ...rest } = JSON.parse(body) as Fault;
  return new UserError(message, rest);
}
