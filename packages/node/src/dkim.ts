import { createDkimSigner, type DkimSigner } from '@postern/mail';
import type { Clock, Log } from '@postern/runtime';
import { loadDkimKeys } from './keys/dkim-keys.ts';
import { dkimRing } from './keys/ring.ts';
import type { Loop } from './loop.ts';
import { openRotation } from './rotation.ts';

export interface DkimContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  readonly domain: string;
}

/** Signs with the keys in force. */
export interface Dkim {
  readonly signer: DkimSigner;
  /** Takes up other keys when it is their time. */
  start(): Loop;
}

/** Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function openDkim({ clock, log, dataDir, domain }: DkimContext): Promise<Dkim> {
  const load = async (dir: string): Promise<DkimSigner> =>
    createDkimSigner({ domain, keys: await loadDkimKeys(dir, domain) });
  const rotation = await openRotation({ clock, log, dataDir, kind: dkimRing, what: 'DKIM', load });
  return {
    signer: { sign: (...message) => rotation.keys().current.value.sign(...message) },
    start: () => rotation.start(() => true),
  };
}
