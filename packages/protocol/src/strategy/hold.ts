import { type Random, shuffled } from '../primitives/index.ts';
import { add, type Heap, rest } from './heap.ts';

/** What happens to a mix. `packet` is whatever the caller knows a packet by. */
export type MixEvent<Packet> =
  | { readonly kind: 'arrival'; readonly packet: Packet; readonly delayMs: number }
  | { readonly kind: 'tick' };

export interface MixStep<State, Packet> {
  readonly state: State;
  /** The packets that leave now, in the order in which they leave. */
  readonly release: readonly Packet[];
  /** When the next `tick` is wanted, in the unit of `now`; none while nothing waits. */
  readonly wakeAt: number | undefined;
}

/**
 * When a mix lets packets go: a pure function of what it holds, what happens, the time and chance, so that a daemon and a
 * simulator run the same code. A state is never changed: an older one stays valid.
 */
export interface MixStrategy<State, Packet> {
  readonly initial: State;
  step(state: State, event: MixEvent<Packet>, now: number, random: Random): MixStep<State, Packet>;
}

/** Packets that wait, by the time at which they are due. */
export type Held<Packet> = Heap<Packet> | undefined;

/**
 * Each packet waits as long as its author asked: a stop-and-go mix. Those that leave at one step leave in a random
 * order, since the order within a batch would otherwise tell when each arrived.
 */
export function holdUntilDue<Packet>(): MixStrategy<Held<Packet>, Packet> {
  return {
    initial: undefined,
    step(state, event, now, random) {
      const held = event.kind === 'arrival' ? add(state, now + event.delayMs, event.packet) : state;
      const release: Packet[] = [];
      let left = held;
      while (left !== undefined && left.key <= now) {
        release.push(left.value);
        left = rest(left);
      }
      return { state: left, release: shuffled(release, random), wakeAt: left?.key };
    },
  };
}
