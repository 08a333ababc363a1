import { connect, createServer, type Server, type Socket } from 'node:net';

/** Stands before a server's socket, and cuts every connection at one exchange, for good. */
export interface CuttingProxy extends AsyncDisposable {
  readonly socket: string;
  /** Cuts at the exchange of that number from now on, counted from 0: before the server has it, or before its answer is passed on. */
  cutAt(exchange: number, when: 'before' | 'after'): void;
  /** Whether it has cut. */
  readonly hasCut: boolean;
}

/** `onCut` is called as it cuts. */
export async function cuttingProxy(
  socket: string,
  upstream: string,
  onCut: () => void = () => undefined,
): Promise<CuttingProxy> {
  const open = new Set<Socket>();
  let left = Number.POSITIVE_INFINITY;
  let where: 'before' | 'after' = 'before';
  let hasCut = false;
  const cut = (): void => {
    if (!hasCut && left < 0) onCut();
    hasCut = true;
    for (const one of open) one.destroy();
  };
  const server: Server = createServer((client) => {
    if (hasCut) return void client.destroy();
    const behind = connect(upstream);
    let last = false;
    for (const one of [client, behind]) {
      open.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        open.delete(one);
        client.destroy();
        behind.destroy();
      });
    }
    client.on('data', (bytes) => {
      if (hasCut) return;
      if (left-- === 0) {
        if (where === 'before') return cut();
        last = true;
      }
      behind.write(bytes);
    });
    behind.on('data', (bytes) => {
      if (last) cut();
      else if (!hasCut) client.write(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    cutAt(exchange, when) {
      left = exchange;
      where = when;
    },
    get hasCut() {
      return hasCut;
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
