import { createServer, type IncomingMessage, type RequestListener } from 'node:http';

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  /** All but those for certificates. */
  readonly requests: IncomingMessage[];
  /** How often it was asked for certificates. */
  certificatesAsked: number;
  /** Those that it serves, as notes. */
  certificates: readonly string[];
  /** Served in place of them. */
  certificatesText?: string;
  /** What it does from now on. */
  answer: RequestListener;
}

/** A server of whatever one likes, and of certificates. It does not tell the time. */
export async function serve(
  answer: RequestListener,
  certificates: readonly string[] = [],
): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  const http = createServer((request, response) => {
    // the tests' clocks are of another time
    response.sendDate = false;
    if (request.url === '/v1/certificates') {
      server.certificatesAsked += 1;
      response
        .setHeader('content-type', 'application/json')
        .end(server.certificatesText ?? JSON.stringify(server.certificates));
      return;
    }
    requests.push(request);
    server.answer(request, response);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const address = http.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const server: TestServer = {
    url: `http://127.0.0.1:${port}`,
    requests,
    certificatesAsked: 0,
    certificates,
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
