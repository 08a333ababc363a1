import { loadEnvelopeKey } from '@postern/protocol/envelope';
import type { Clock, Log } from '@postern/runtime';
import { loadDomainKey } from './keys/domain-keys.ts';
import { domainRing, type Ring } from './keys/ring.ts';
import type { Loop } from './loop.ts';
import { type Loaded, openRotation } from './rotation.ts';

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

interface DomainKey {
  readonly secretKey: Uint8Array;
  readonly fingerprint: string;
}

/** Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function openDomainKeys({ clock, log, dataDir }: DomainContext): Promise<DomainKeys> {
  const load = async (dir: string): Promise<DomainKey> => {
    const secretKey = await loadDomainKey(dir);
    return { secretKey, fingerprint: (await loadEnvelopeKey(secretKey)).privateKey.getFingerprint() };
  };
  const rotation = await openRotation({ clock, log, dataDir, kind: domainRing, what: 'domain', load });
  return {
    current: () => all(rotation.keys()).map(({ secretKey }) => secretKey),
    fingerprints: () => all(rotation.keys()).map(({ fingerprint }) => fingerprint),
    onChange: (listener) =>
      rotation.onChange((keys) => listener(all(keys).map(({ secretKey }) => secretKey))),
    // What puts a key in force is the record that names it, which the command writes.
    start: () => rotation.start(() => false),
  };
}

/** A key opens envelopes as soon as it is there. */
function all({ current, next, previous }: Ring<Loaded<DomainKey>>): DomainKey[] {
  return [current, ...(next === undefined ? [] : [next]), ...previous].map(({ value }) => value);
}
