import type { Submission } from '@postern/client';
import { clientOf, type Person, type SeededRandom } from '@postern/testkit';
import { messageOf, type Parcel } from './traffic.ts';

export interface Sending {
  readonly packets: number;
  /** What the client had to say of packets that stayed. */
  readonly remarks: readonly string[];
}

/** Tries at a message before the author goes on to the next: what is left by then waits in the outbox. */
const timeoutMs = 20_000;

/**
 * Every author sends one parcel after the other, all authors at once, and at last hands over what has stayed in the outbox. Ends
 * early as `signal` aborts.
 */
export async function sendAll(
  parcels: readonly Parcel[],
  random: SeededRandom,
  signal: AbortSignal,
): Promise<Sending> {
  const authors = Map.groupBy(parcels, ({ author }) => author);
  const sendings = await Promise.all(
    [...authors].map(([author, own]) => sendOf(author, own, random, signal)),
  );
  return {
    packets: sendings.reduce((sum, { packets }) => sum + packets, 0),
    remarks: [...new Set(sendings.flatMap(({ remarks }) => remarks))].sort(),
  };
}

async function sendOf(
  author: Person,
  parcels: readonly Parcel[],
  random: SeededRandom,
  signal: AbortSignal,
): Promise<Sending> {
  await using client = clientOf(author);
  let packets = 0;
  const remarks = new Set<string>();
  const remark = ({ held, waiting }: Submission): void => {
    for (const { reason, node } of [...held, ...waiting]) remarks.add(`${reason} ${node}`);
  };
  try {
    for (const parcel of parcels) {
      const options = { timeoutMs, signal, sentCopy: false };
      const outcome = await client.send(messageOf(parcel, random), options);
      if (outcome.kind === 'refused')
        throw new Error(`parcel ${parcel.number}: ${outcome.problems.map(({ message }) => message).join()}`);
      packets += outcome.recipients.reduce((sum, recipient) => sum + recipient.packets, 0);
      remark(outcome);
    }
    while (!signal.aborted && (await client.outbox.list()).length > 0)
      remark(await client.flush({ timeoutMs, signal }));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return { packets, remarks: [...remarks] };
}
