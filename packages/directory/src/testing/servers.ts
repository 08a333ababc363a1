import { createServer, type IncomingMessage, type RequestListener } from 'node:http';

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: IncomingMessage[];
  /** What it does from now on. */
  answer: RequestListener;
}

/** A server of whatever one likes. */
export async function serve(answer: RequestListener): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const http = createServer((request, response) => {
    requests.push(request);
    server.answer(request, response);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const address = http.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const server: TestServer = {
    url: `http://127.0.0.1:${port}`,
    requests,
    answer,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return server;
}

/** Serves a text with a status. */
export function text(body: string, status = 200): RequestListener {
  return (_request, response) => response.writeHead(status, { 'content-type': 'text/plain' }).end(body);
}

/** A URL at which nothing listens. */
export async function deadUrl(): Promise<string> {
  const server = await serve(text(''));
  await server[Symbol.asyncDispose]();
  return server.url;
}
