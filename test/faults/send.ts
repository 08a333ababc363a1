import type { Client } from '@postern/client';
import type { SeededRandom } from '@postern/testkit';
import { clientOf } from '@postern/testkit';
import { messageOf, type Parcel } from './traffic.ts';

export interface Sending {
  readonly packets: number;
  /** What the client had to say of packets that stayed, for whoever looks into a failure. */
  readonly remarks: readonly string[];
}

/** Tries at a message before the author goes on to the next: what is left by then waits in the outbox. */
const timeoutMs = 20_000;

/** Every author sends one parcel after the other, all authors at once, and at last hands over what has stayed in the outbox. */
export async function sendAll(
  parcels: readonly Parcel[],
  random: SeededRandom,
  signal: AbortSignal,
): Promise<Sending> {
  const authors = Map.groupBy(parcels, ({ author }) => author);
  const sendings = await Promise.all(
    [...authors].map(async ([author, own]): Promise<Sending> => {
      await using client = clientOf(author);
      let packets = 0;
      const remarks = new Set<string>();
      for (const parcel of own) {
        signal.throwIfAborted();
        const options = { timeoutMs, signal, sentCopy: false };
        const outcome = await client.send(messageOf(parcel, random), options);
        if (outcome.kind === 'refused')
          throw new Error(
            `parcel ${parcel.number}: ${outcome.problems.map(({ message }) => message).join('; ')}`,
          );
        packets += outcome.recipients.reduce((sum, recipient) => sum + recipient.packets, 0);
        for (const { reason, node } of [...outcome.held, ...outcome.waiting])
          remarks.add(`${reason} ${node}`);
      }
      await flush(client, signal);
      return { packets, remarks: [...remarks] };
    }),
  );
  return {
    packets: sendings.reduce((sum, { packets }) => sum + packets, 0),
    remarks: [...new Set(sendings.flatMap(({ remarks }) => remarks))].sort(),
  };
}

async function flush(client: Client, signal: AbortSignal): Promise<void> {
  while ((await client.outbox.list()).length > 0) {
    signal.throwIfAborted();
    await client.flush({ timeoutMs, signal });
  }
}
