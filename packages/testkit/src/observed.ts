import { readControl } from '@postern/runtime';

/** All that a process says of itself over its control socket: what it exports, and its status with exact counts. */
export async function readObserved(socketPath: string): Promise<string> {
  return [await readControl(socketPath, '/metrics'), await readControl(socketPath, '/status')].join('\n');
}
