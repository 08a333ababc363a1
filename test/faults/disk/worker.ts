import { parentPort, workerData } from 'node:worker_threads';
import { createLens, type Share, type Sought } from './keys.ts';
import type { Outcome } from './search.ts';

/* Looks at one piece after the other. */
const { sought, share } = workerData as { readonly sought: readonly Sought[]; readonly share: Share };
const lens = createLens(sought, share);
parentPort?.on('message', (bytes: Uint8Array) => {
  const before = {
    tried: lens.tried,
    followed: lens.followed,
    behind: lens.behind,
    found: lens.found.length,
  };
  lens.look(bytes);
  const outcome: Omit<Outcome, 'bytes'> = {
    found: lens.found.slice(before.found),
    tried: lens.tried - before.tried,
    followed: lens.followed - before.followed,
    behind: lens.behind - before.behind,
  };
  parentPort?.postMessage(outcome);
});
