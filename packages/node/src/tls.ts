import type { VerifiedConsensus } from '@postern/directory/client';
import { maxTlsPins, staleEpochs } from '@postern/protocol/consensus';
import type { Clock, Log } from '@postern/runtime';
import { loadCertificate, type TlsCertificate } from './keys/certificate.ts';
import { inOrder, type Loaded } from './keys/loaded.ts';
import { type Ring, tlsRing, utc } from './keys/ring.ts';
import type { Loop } from './loop.ts';
import { openRotation } from './rotation.ts';

export interface TlsContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  /** Of the node, in the consensus. */
  readonly id: string;
}

/** A TLS key as `status` shows it. */
export interface TlsKeyStatus {
  /** Hex SHA-256 of the SubjectPublicKeyInfo. */
  readonly pin: string;
  readonly phase: 'next' | 'shown' | 'before';
  /** When the next one is shown at the earliest, or the one before is destroyed. */
  readonly until?: string;
}

/** The node's own certificate, and what others are told of it. */
export interface TlsKeys {
  current(): TlsCertificate;
  /** What the descriptor names: the one that is shown first. */
  pins(): readonly string[];
  status(): readonly TlsKeyStatus[];
  /** To be told of every consensus that is taken. */
  note(consensus: VerifiedConsensus): void;
  /** `show` puts another certificate before clients, `announce` publishes other pins. */
  start(actions: { show(certificate: TlsCertificate): void; announce(): void }): Loop;
}

/** Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function openTlsKeys({ clock, log, dataDir, id }: TlsContext): Promise<TlsKeys> {
  const rotation = await openRotation({
    clock,
    log,
    dataDir,
    kind: tlsRing,
    what: 'TLS',
    load: loadCertificate,
  });
  let listed: { readonly since: number; readonly epochSeconds: number } | undefined;
  let newest = 0;
  const pins = (): string[] => pinsOf(rotation.keys());
  /** Whether every consensus that anybody may still use names all keys (spec consensus 6.4). One taken so late says it too: the clock may be ahead. */
  const isKnown = (): boolean => {
    if (listed === undefined) return false;
    const from = listed.since + staleEpochs;
    return newest >= from && clock.now() >= from * listed.epochSeconds * 1_000;
  };
  return {
    current: () => rotation.keys().current.value,
    pins,
    status: () => statusOf(rotation.keys()),
    note({ consensus: { nodes, epoch, epochSeconds } }) {
      newest = Math.max(newest, epoch);
      const entry = nodes.find((node) => node.id === id);
      const all = entry !== undefined && pins().every((pin) => entry.tlsPins.includes(pin));
      // one that does not list the node sends nobody to it
      if (entry !== undefined) listed = all ? (listed ?? { since: epoch, epochSeconds }) : undefined;
    },
    start({ show, announce }) {
      rotation.onChange((keys, before) => {
        const published = new Set(pinsOf(before));
        if (pinsOf(keys).some((pin) => !published.has(pin))) listed = undefined;
        if (keys.current.dir !== before.current.dir) show(keys.current.value);
        announce();
      });
      return rotation.start({ mayPromote: isKnown, mayForget: () => true });
    },
  };
}

function pinsOf(keys: Ring<Loaded<TlsCertificate>>): string[] {
  return inOrder(keys)
    .map(({ value }) => value.pin)
    .slice(0, maxTlsPins);
}

function statusOf({ next, current, previous }: Ring<Loaded<TlsCertificate>>): TlsKeyStatus[] {
  return [
    ...(next === undefined ? [] : [{ pin: next.value.pin, phase: 'next', until: utc(next.at) } as const]),
    { pin: current.value.pin, phase: 'shown' },
    ...previous.map(({ value, until }) => ({ pin: value.pin, phase: 'before', until: utc(until) }) as const),
  ];
}
