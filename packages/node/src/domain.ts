import { loadEnvelopeKey } from '@postern/protocol/envelope';
import type { Clock, Log } from '@postern/runtime';
import { loadDomainKey } from './keys/domain-keys.ts';
import { inOrder, type Loaded } from './keys/loaded.ts';
import { notePublished, readPublished } from './keys/published.ts';
import { domainRing, type Ring, utc } from './keys/ring.ts';
import { type Loop, together } from './loop.ts';
import type { Names } from './names.ts';
import { type Publication, type PublicationWatch, watchPublication } from './publication.ts';
import { openRotation } from './rotation.ts';
import type { DomainKeyName } from './spool.ts';

export interface DomainContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  readonly domain: string;
}

/** Why keys before the present one are kept still. */
export interface DomainOverlap {
  /** What DNS says of the present one. */
  readonly publication: Publication;
  /** When those before are destroyed, if DNS goes on naming the present one; nothing while it does not. */
  readonly until?: string;
}

/** The secret keys of the domain that the node is the gateway of. */
export interface DomainKeys {
  /** Binary OpenPGP, the present one first; none for a node that is no gateway. */
  current(): readonly Uint8Array[];
  /** Of their primary keys, in the same order: the first is what the zone has to say. */
  fingerprints(): readonly string[];
  /** The present one. */
  newest(): DomainKeyName;
  /** Nothing while there is none before the present one. */
  overlap(): DomainOverlap | undefined;
  /** False while a key of the domain cannot be read: what none of these opens may be for that one. */
  isComplete(): boolean;
  /** Called once there are others, or none is missing any more. */
  onChange(listener: (keys: readonly Uint8Array[]) => void): void;
  /**
   * Looks for a key that was made meanwhile, and destroys those before once DNS has named the present one for their whole overlap:
   * never for a node without a resolver. The overlap begins and ends only while `isClockRight`.
   */
  start(names: Pick<Names, 'findFingerprint'> | undefined, isClockRight: () => boolean): Loop;
}

interface DomainKey {
  readonly secretKey: Uint8Array;
  readonly fingerprint: string;
}

/** The overlap is long: what DNS says for less than that is of no account. */
const askedEveryMs = 3_600_000;
const daySeconds = 86_400;

/** Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function openDomainKeys({ clock, log, dataDir, domain }: DomainContext): Promise<DomainKeys> {
  const load = async (dir: string): Promise<DomainKey> => {
    const secretKey = await loadDomainKey(dir);
    return { secretKey, fingerprint: (await loadEnvelopeKey(secretKey)).privateKey.getFingerprint() };
  };
  const rotation = await openRotation({ clock, log, dataDir, kind: domainRing, what: 'domain', load });
  const { current } = rotation.keys();
  let noted = { dir: current.dir, since: await readPublished(current.dir) };
  let watch: PublicationWatch | undefined;

  const publication = (): Publication => watch?.current() ?? 'unknown';
  /** Unix seconds. The day on which it was first seen does not count: only its end is known to be later. */
  const endOfOverlap = (): number => {
    const { since = Number.POSITIVE_INFINITY } = noted.dir === rotation.keys().current.dir ? noted : {};
    return since + daySeconds + domainRing.overlap;
  };
  /** Whether there is one before the present one, read or not. */
  const isReplacing = (): boolean => rotation.keys().previous.length > 0 || !rotation.isComplete();
  return {
    current: () => all(rotation.keys()).map(({ secretKey }) => secretKey),
    fingerprints: () => all(rotation.keys()).map(({ fingerprint }) => fingerprint),
    newest() {
      const { value, at } = rotation.keys().current;
      return { fingerprint: value.fingerprint, since: at };
    },
    overlap() {
      if (!isReplacing()) return undefined;
      const end = endOfOverlap();
      return { publication: publication(), ...(Number.isFinite(end) ? { until: utc(end) } : {}) };
    },
    isComplete: () => rotation.isComplete(),
    onChange: (listener) =>
      rotation.onChange((keys) => listener(all(keys).map(({ secretKey }) => secretKey))),
    start(names, isClockRight) {
      watch = watchPublication<DomainKey>({
        clock,
        log,
        everyMs: askedEveryMs,
        warning:
          'DNS does not name the domain’s present key: publish what postern-node dns zone prints; the key before is kept until then',
        subject: () => (isReplacing() ? rotation.keys().current : undefined),
        async ask({ value }, signal) {
          if (names === undefined) throw new Error('nobody can be asked');
          return (await names.findFingerprint(domain, signal)) === value.fingerprint;
        },
        async onAnswer({ dir }, publication) {
          const isNamed = publication === 'published';
          if (publication === 'unknown' || (isNamed && !isClockRight())) return;
          noted = { dir, since: await notePublished(dir, isNamed, clock.now()) };
        },
      });
      const rotating = rotation.start({
        // What puts a key in force is the record that names it, which the command writes.
        mayPromote: () => false,
        mayForget: () =>
          isClockRight() &&
          publication() === 'published' &&
          watch?.isRecent() === true &&
          endOfOverlap() * 1_000 <= clock.now(),
      });
      return together(watch, rotating);
    },
  };
}

/** A key opens envelopes as soon as it is there. */
function all(keys: Ring<Loaded<DomainKey>>): DomainKey[] {
  return inOrder(keys).map(({ value }) => value);
}
