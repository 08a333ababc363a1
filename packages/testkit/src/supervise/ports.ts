import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { below } from '@postern/protocol/primitives';
import { systemRandom } from '@postern/runtime';

/**
 * Free TCP ports on loopback. They lie below those that the kernel gives to outgoing connections, so that none of these takes the port
 * of a process that is down for a moment.
 */
export async function freePorts(count: number): Promise<number[]> {
  const end = await firstEphemeralPort();
  const start = 10_240;
  const held: { port: number; server: Server }[] = [];
  try {
    while (held.length < count) {
      const port = start + below(systemRandom, end - start);
      const server = await tryListen(port);
      if (server !== undefined) held.push({ port, server });
    }
    return held.map(({ port }) => port);
  } finally {
    for (const { server } of held) server.close();
    await Promise.all(held.map(({ server }) => once(server, 'close')));
  }
}

async function tryListen(port: number): Promise<Server | undefined> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

async function firstEphemeralPort(): Promise<number> {
  try {
    const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
    return Math.max(11_264, Number(range.split(/\s+/)[0]));
  } catch {
    return 32_768; // where Linux begins unless told otherwise
  }
}
