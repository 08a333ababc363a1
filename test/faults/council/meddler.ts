import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** What reaches another authority in the place of a body; nothing does when it is undefined. */
export type Meddle = (to: string, path: string, body: string) => string | undefined;

export interface Meddler extends AsyncDisposable {
  readonly url: string;
}

/** Stands before an authority and passes on what somebody sends to it, or something else. */
export async function startMeddler(
  target: string,
  change: (path: string, body: string) => string | undefined,
): Promise<Meddler> {
  const passOn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? '/';
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const given = Buffer.concat(parts).toString('utf8');
    const sends = request.method === 'POST';
    const body = sends ? change(path, given) : undefined;
    if (sends && body === undefined) {
      response.writeHead(202, { 'content-type': 'application/json' }).end('{"outcome":"taken"}');
      return;
    }
    const answer = await fetch(`${target}${path}`, {
      method: request.method ?? 'GET',
      ...(body !== undefined && { body, headers: { 'content-type': 'text/plain' } }),
    });
    const passed = ['content-type', 'date', 'postern-authority'];
    const headers = passed.map((name) => [name, answer.headers.get(name) ?? '']);
    response.writeHead(answer.status, Object.fromEntries(headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  };
  const server = createServer((request, response) => {
    passOn(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
