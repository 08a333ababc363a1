import { until } from '@postern/testkit';
import { countFiles, inSpools } from './arrivals.ts';
import type { Cascade } from './cascade.ts';
import { type Evidence, type EvidenceWatch, judgeFirsts } from './evidence.ts';

export interface Verdict {
  /** `sent 10, delivered 10, duplicates 0, lost 0; counted 10 packets and 9 fragments of 10` */
  readonly figure: string;
  readonly evidence: Evidence;
  /** What is not as it has to be. */
  readonly wrong: string[];
}

/** What has not moved for so long does not come. */
export const standstillMs = 180_000;

/**
 * Waits until every note has arrived and every spool is empty, and counts. Copies are counted where the next hop has to have removed them: notes in the Maildir,
 * whose gateway knows a set that it has delivered, and in the nodes' own counts what passed for new, which is no more than was sent.
 */
export async function judge(cascade: Cascade, sent: number, watch: EvidenceWatch): Promise<Verdict> {
  const waiting = { what: 'every note has arrived', deadlineMs: standstillMs };
  await until(async () => (await cascade.arrived()) >= sent, waiting).catch(() => undefined); // what has not is lost
  // Late copies are still somewhere, if there are any.
  const empty = async (): Promise<boolean> => (await inSpools(cascade.net.describe()).catch(() => 1)) === 0;
  const left = await until(empty, { what: 'every spool is empty', deadlineMs: standstillMs }).catch(String);
  const evidence = await watch.stop();
  const { numbers, duplicates, wrong } = await cascade.arrivals();
  const lost = sent - numbers.size;
  const arrived = `sent ${sent}, delivered ${numbers.size}, duplicates ${duplicates}, lost ${lost}`;
  const firsts = judgeFirsts(evidence.firsts, sent);
  return {
    figure: `${arrived}; ${firsts.counted}`,
    evidence,
    wrong: [
      ...(left === true ? [] : [String(left)]),
      ...(lost === 0 && duplicates === 0 && (await countFiles([cascade.recipient])) === sent
        ? []
        : [arrived]),
      ...wrong.map((name) => `${name} is no note`),
      ...Object.entries(evidence.givenUp).map(([what, count]) => `${count} ${what}`),
      ...firsts.wrong,
    ],
  };
}
