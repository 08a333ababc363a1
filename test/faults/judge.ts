import { until } from '@postern/testkit';
import { countFiles, inSpools } from './arrivals.ts';
import type { Chain } from './chain.ts';
import type { Evidence, EvidenceWatch } from './evidence.ts';

export interface Verdict {
  /** `sent 10, delivered 10, duplicates 0, lost 0` */
  readonly figure: string;
  readonly evidence: Evidence;
  /** What is not as it has to be. */
  readonly wrong: readonly string[];
}

/** What has not moved for so long does not come. */
export const stallMs = 180_000;

/**
 * Waits until every note has arrived and every spool is empty, and counts. Copies are counted where the next hop has to have removed them: notes in the Maildir,
 * whose gateway knows a set that it has delivered, and in the nodes' own counts what passed for new, which is no more than was sent.
 */
export async function judge(chain: Chain, sent: number, watch: EvidenceWatch): Promise<Verdict> {
  const read = async () => chain.net.describe();
  const waiting = { what: 'every note has arrived', deadlineMs: stallMs };
  await until(async () => (await chain.arrived()) >= sent, waiting).catch(() => undefined); // what has not is lost
  // Late copies are still somewhere, if there are any.
  const empty = async (): Promise<boolean> => (await inSpools(await read()).catch(() => 1)) === 0;
  const left = await until(empty, { what: 'every spool is empty', deadlineMs: stallMs }).catch(String);
  const evidence = await watch.stop();
  const { numbers, duplicates, wrong } = await chain.arrivals();
  const lost = sent - numbers.size;
  const figure = `sent ${sent}, delivered ${numbers.size}, duplicates ${duplicates}, lost ${lost}`;
  const { exits, fragments } = evidence.firsts;
  const copies = (what: string, count: number): string[] =>
    count > sent ? [`${count - sent} ${what} passed for new`] : [];
  return {
    figure,
    evidence,
    wrong: [
      ...(left === true ? [] : [String(left)]),
      ...(lost === 0 && duplicates === 0 && (await countFiles([chain.recipient])) === sent ? [] : [figure]),
      ...wrong.map((name) => `${name} is no note`),
      ...Object.entries(evidence.givenUp).map(([what, count]) => `${count} ${what}`),
      ...copies('packets', exits),
      ...copies('fragments', fragments),
    ],
  };
}
