import { loadEnvelopeKey } from '@postern/protocol/envelope';
import type { Clock, Log } from '@postern/runtime';
import { forgetDomainKeys, loadDomainKeys } from './keys/domain-keys.ts';
import { type Loop, startLoop } from './loop.ts';

export interface DomainContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
}

/** The secret keys of the domain that the node is the gateway of. */
export interface DomainKeys {
  /** Binary OpenPGP, the present one first; none for a node that is no gateway. */
  current(): readonly Uint8Array[];
  /** Of their primary keys, in the same order: the first is what the zone has to say. */
  fingerprints(): readonly string[];
  onChange(listener: (keys: readonly Uint8Array[]) => void): void;
  /** Looks for a key that was made meanwhile, and destroys those past their time. */
  start(): Loop;
}

/** How soon a new key is taken up. */
const everyMs = 10_000;

export async function openDomainKeys({ clock, log, dataDir }: DomainContext): Promise<DomainKeys> {
  let keys = await loadDomainKeys(dataDir);
  let fingerprints = await fingerprintsOf(keys);
  const listeners: ((keys: readonly Uint8Array[]) => void)[] = [];
  return {
    current: () => keys,
    fingerprints: () => fingerprints,
    onChange: (listener) => void listeners.push(listener),
    start: () =>
      startLoop({ clock, log, trouble: 'the domain’s keys could not be read' }, async (stop) => {
        await clock.wait(clock.now() + everyMs, stop);
        await forgetDomainKeys(dataDir, Math.floor(clock.now() / 1_000));
        const found = await loadDomainKeys(dataDir);
        if (same(found, keys)) return;
        for (const listener of listeners) listener(found);
        fingerprints = await fingerprintsOf(found);
        keys = found;
        log.info('the domain’s keys have changed', { keys: keys.length });
      }),
  };
}

function fingerprintsOf(keys: readonly Uint8Array[]): Promise<string[]> {
  return Promise.all(keys.map(async (key) => (await loadEnvelopeKey(key)).privateKey.getFingerprint()));
}

function same(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((key, at) => Buffer.compare(key, b[at] ?? new Uint8Array()) === 0);
}
