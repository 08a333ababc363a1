import { binnedLoad, epochAt } from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';

/** How many packets this process opens in an epoch: a number for the present one and the one before, and no more. */
export interface Load {
  /** One packet more. */
  count(): void;
  /** Of the last whole epoch, as the descriptor says it (spec consensus 3.1); 0 while this process has not run all of it. */
  told(): number;
}

/** With `whole` unset other processes open packets of the same mix, and what it has to tell is not known here. */
export function createLoad(clock: Clock, epochSeconds: number, whole = true): Load {
  const now = (): number => epochAt(clock.now() / 1_000, epochSeconds);
  const begun = now();
  let present = { epoch: begun, packets: 0 };
  let before = { epoch: begun - 1, packets: 0 };
  const turn = (): void => {
    const epoch = now();
    if (epoch === present.epoch) return;
    before = epoch === present.epoch + 1 ? present : { epoch: epoch - 1, packets: 0 };
    present = { epoch, packets: 0 };
  };
  return {
    count() {
      turn();
      present = { ...present, packets: present.packets + 1 };
    },
    told() {
      turn();
      return whole && before.epoch > begun ? binnedLoad(before.packets) : 0;
    },
  };
}
