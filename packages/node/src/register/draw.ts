import type { EpochKey } from '@postern/protocol/consensus';
import { type Clock, type Endpoint, type Log, UserError } from '@postern/runtime';
import type { NodeConfig } from '../config.ts';
import { NodeError } from '../errors.ts';
import type { Identity } from '../keys/identity.ts';
import { isEnding, loadSigningKey, type SigningKey } from '../keys/signing.ts';
import type { Load } from '../load.ts';
import { codeOf } from '../loop.ts';
import { describe } from './descriptor.ts';
import { downtimeEpochs, readDowntime } from './downtime.ts';

/** What a descriptor is made of, beside the keys of its mix and of its certificate. */
export interface DrawContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly config: NodeConfig;
  readonly identity: Identity;
  readonly smtp: Endpoint;
  readonly load: Load;
  readonly epochSeconds: number;
}

/** Why this machine can make no descriptor. */
export interface Undrawn {
  /** For the operator, with the path of the file that it is about. */
  readonly why: string;
  /** What mends it. */
  readonly hint?: string;
  /** Milliseconds: since when there is none. */
  readonly sinceMs: number;
}

export interface Drawing {
  /** The signed descriptor of now; undefined when none can be made, which is logged when the reason is new, and once a day. */
  draw(mixKeys: readonly EpochKey[], tlsPins: readonly string[]): Promise<string | undefined>;
  /** Nothing once one has been made. */
  undrawn(): Undrawn | undefined;
}

const dayMs = 86_400_000;

/** Makes descriptors: what an operator changes on disk is read again for each. */
export function createDrawing(context: DrawContext): Drawing {
  const { clock, log } = context;
  const remind = createReminder(context);
  let undrawn: (Undrawn & { readonly saidMs: number }) | undefined;
  const note = (error: unknown): void => {
    const nowMs = clock.now();
    const told = tell(error);
    const before = undrawn;
    const isSaid = before?.why === told.why && nowMs < before.saidMs + dayMs;
    if (!isSaid) log.error('no descriptor can be made', { ...told });
    undrawn = { ...told, sinceMs: before?.sinceMs ?? nowMs, saidMs: isSaid ? before.saidMs : nowMs };
  };
  return {
    async draw(mixKeys, tlsPins) {
      try {
        const descriptor = await draw(context, mixKeys, tlsPins, remind);
        undrawn = undefined;
        return descriptor;
      } catch (error) {
        note(error);
        return undefined;
      }
    },
    undrawn() {
      if (undrawn === undefined) return undefined;
      const { saidMs: _, ...told } = undrawn;
      return told;
    },
  };
}

async function draw(
  context: DrawContext,
  mixKeys: readonly EpochKey[],
  tlsPins: readonly string[],
  remind: (keys: SigningKey) => void,
): Promise<string> {
  const { clock, config, identity, load, epochSeconds } = context;
  const keys = await loadSigningKey(config.dataDir);
  if (keys.id !== identity.id)
    throw new NodeError('wrong-key-file', 'the signing key is another node’s', {
      hint: 'Restore signing.key, or make one with the identity key of this node: postern-node certify --identity FILE',
    });
  remind(keys);
  const seconds = clock.now() / 1_000;
  const downtime = downtimeEpochs(await readDowntime(config.dataDir), seconds, epochSeconds);
  const { smtp } = context;
  return describe({ config, keys, tlsPins, smtp, mixKeys, load: load.told(), downtime, now: clock.now() });
}

/** Of the node's own errors, whose words name no peer; of others the code alone. */
function tell(error: unknown): Pick<Undrawn, 'why' | 'hint'> {
  if (!(error instanceof NodeError || error instanceof UserError)) return { why: codeOf(error) };
  return { why: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
}

/** Tells the log, once a day, that the signing key is about to end, or has. */
function createReminder({ clock, log }: DrawContext): (keys: SigningKey) => void {
  let saidMs = Number.NEGATIVE_INFINITY;
  return (keys) => {
    if (!isEnding(keys, clock.now() / 1_000) || clock.now() < saidMs + dayMs) return;
    saidMs = clock.now();
    const fields = {
      until: new Date(keys.validUntil * 1_000).toISOString(),
      hint: 'make the next: postern-node certify --identity FILE',
    };
    if (clock.now() >= keys.validUntil * 1_000) log.error('signing key has ended', fields);
    else log.warn('signing key ends soon', fields);
  };
}
