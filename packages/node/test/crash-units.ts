import type { Unit, Verdict } from '../src/spool.ts';
import { seeded } from './support.ts';

/** A unit that shows its number, and is as long as a packet. */
export function crashUnit(number: number): Unit {
  const bytes = seeded(`unit ${number}`).bytes(32_768);
  bytes[0] = 1;
  new DataView(bytes.buffer).setUint32(1, number);
  return { kind: 'packet', bytes };
}

/** What that unit becomes. */
export function crashRelay(number: number): Extract<Verdict, { kind: 'relay' }> {
  const bytes = seeded(`relay ${number}`).bytes(32_768);
  bytes[0] = 2;
  new DataView(bytes.buffer).setUint32(1, number);
  return {
    kind: 'relay',
    epoch: 1,
    replayTag: seeded(`tag ${number}`).bytes(32),
    relay: { next: { kind: 'domain', domain: 'b.test' }, dueMs: 0, expiresMs: Date.UTC(2500, 0), bytes },
  };
}
