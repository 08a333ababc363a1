/** Which consensus a node goes by, as it tells whoever connects to it. */
export interface Told {
  readonly epoch: number;
  /** `consensusDigest` of it. */
  readonly digest: string;
}

/** A line of a node's answer to EHLO (spec consensus 10.6). */
export function formatTold({ epoch, digest }: Told): string {
  return `XPOSTERN ${epoch} ${digest}`;
}

/** The inverse of `formatTold`: the one such line among those of an answer. Undefined where there is none, or more than one. */
export function parseTold(lines: readonly string[]): Told | undefined {
  const [line, ...more] = lines.filter((one) => /^XPOSTERN\b/i.test(one));
  const [, epoch, digest] = /^XPOSTERN (0|[1-9][0-9]{0,9}) ([0-9a-f]{64})$/.exec(line ?? '') ?? [];
  if (epoch === undefined || digest === undefined || more.length > 0) return undefined;
  return { epoch: Number(epoch), digest };
}
