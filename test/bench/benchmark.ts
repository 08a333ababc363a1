/** One benchmark of `npm run bench`. */
export interface Benchmark {
  readonly summary: string;
  /** What has to be there, and about how long it takes. */
  readonly needs: string;
  /** A program that it takes and that is not installed; nothing when all are. */
  readonly lacks?: () => string | undefined;
  /** What the result has to keep to, a sentence each. */
  readonly gates: readonly string[];
  /** How often its work is done, unless told otherwise. */
  readonly runs: number;
  /** Whether it runs in a network of its own (`own-network.ts`). */
  readonly ownNetwork?: boolean;
  /** The report line by line, and the gates that were missed. */
  run(runs: number): Promise<{ readonly lines: readonly string[]; readonly missed: readonly string[] }>;
}
