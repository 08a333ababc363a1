import { type Descriptor, keyEpochsAhead, keyEpochsHeld } from './documents.ts';

/** The epoch at a time in Unix seconds: whole epochs since 1970 (spec consensus 6). */
export function epochAt(seconds: number, epochSeconds: number): number {
  return Math.floor(seconds / epochSeconds);
}

/** The epochs for which a mix publishes keys during `epoch`, ascending (spec consensus 6.2). */
export function keyEpochsPublished(epoch: number): number[] {
  return range(epoch, epoch + keyEpochsAhead);
}

/** The epochs whose keys a mix still opens packets with during `epoch`, ascending; older ones are destroyed (spec consensus 6.2). */
export function keyEpochsOpened(epoch: number): number[] {
  return range(Math.max(0, epoch - keyEpochsHeld), epoch + keyEpochsAhead);
}

/** Whether a descriptor still counts in an epoch: published in it, or at most as long before as keys are published ahead. */
export function isStanding(descriptor: Descriptor, epoch: number, epochSeconds: number): boolean {
  return epochAt(descriptor.published, epochSeconds) >= epoch - keyEpochsAhead;
}

/** Whether its operator means to have it down. */
export function isDown({ downtime }: Descriptor, epoch: number): boolean {
  return downtime.some(({ from, until }) => from <= epoch && epoch < until);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
