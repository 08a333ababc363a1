import { parentPort, workerData } from 'node:worker_threads';
import { createLens, type Sought } from './keys.ts';
import type { Outcome } from './search.ts';

/* Looks at one piece after the other. */
const lens = createLens(workerData as readonly Sought[]);
parentPort?.on('message', (bytes: Uint8Array) => {
  const before = { tried: lens.tried, found: lens.found.length };
  lens.look(bytes);
  const outcome: Outcome = {
    found: lens.found.slice(before.found),
    tried: lens.tried - before.tried,
    bytes: bytes.length,
  };
  parentPort?.postMessage(outcome);
});
