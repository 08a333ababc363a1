import { decodeHex } from '@postern/protocol/codec';
import { contradiction, type Last } from '@postern/protocol/consensus';
import {
  appendLeaf,
  type CompactRange,
  emptyRange,
  hashOfLeaf,
  headOf,
  isConsistent,
  isIncluded,
  type LogHead,
  proveConsistency,
  proveInclusion,
  rangeOf,
  rootOfRange,
} from '@postern/protocol/log';
import type { Seen } from './cache.ts';
import type { Directory, Held } from './collect.ts';
import { type Failure, reasonOf } from './errors.ts';
import { edgeOf, fetchTree, type LogTree } from './tiles.ts';

/** A consensus, where it is from, and whether that was a directory just now. */
export interface Source {
  readonly url: string;
  readonly document: Held;
  readonly fetched: boolean;
}

/** A consensus that is known to follow on what was seen, and what is to be remembered of it. */
export interface Taken {
  readonly document: Held;
  readonly seen: Seen;
  /** How it was followed to: consensuses, the oldest first and this one last, each with the tiles that it took. */
  readonly trail: readonly { readonly document: Held; readonly tree: LogTree | undefined }[];
}

/** What a memory has to say to a consensus. */
export function lastOf(seen: Seen | undefined): Last | undefined {
  return seen && { epoch: seen.epoch, digest: seen.digest, log: headOf(seen.range) };
}

/**
 * Follows the log from what was seen to each document, the oldest first, so that each is held against the one before it as well. Gives the
 * newest of those just fetched that can be followed to. A fork among them ends it.
 */
export async function followAll(
  directory: Directory,
  seen: Seen | undefined,
  sources: readonly Source[],
): Promise<{ readonly found: Taken | undefined; readonly failures: readonly Failure[] }> {
  const failures: Failure[] = [];
  let found: Taken | undefined;
  let last: Pick<Taken, 'trail'> & { readonly seen: Seen | undefined } = { seen, trail: [] };
  let from = '';
  for (const { url, document, fetched } of ascending(sources)) {
    const step = await follow(directory, last.seen, document);
    if (step.kind === 'unavailable') failures.push(...step.failures);
    if (step.kind === 'refused') {
      const documents = [document, ...last.trail.map((one) => one.document)].map(({ signed }) => signed);
      failures.push({ ...step.failure, url, detail: `${step.failure.detail}${from}`, documents });
      if (step.failure.reason === 'fork') return { found: undefined, failures };
    }
    if (step.kind !== 'followed') continue;
    last = { seen: step.seen, trail: [...last.trail, { document, tree: step.tree }] };
    from = `, from ${url}`;
    if (fetched) found = { document, seen: step.seen, trail: last.trail };
  }
  return { found, failures };
}

/** Why a document may not be taken by whoever remembers this, which may be newer than what it was followed from. */
export function objectionTo({ trail }: Taken, remembered: Seen | undefined): Failure | undefined {
  let seen = remembered;
  for (const { document, tree } of trail) {
    const isPassed = document.consensus.epoch < (seen?.epoch ?? 0);
    if (isPassed && document !== trail.at(-1)?.document) continue;
    const step = advance(seen, document, tree);
    if (step.kind === 'refused') return step.failure;
    if (step.kind === 'gap') return failureOf('log-unavailable', 'the log in between was not fetched');
    seen = step.seen;
  }
  return undefined;
}

type Followed =
  | { readonly kind: 'followed'; readonly seen: Seen; readonly tree: LogTree | undefined }
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'unavailable'; readonly failures: readonly Failure[] };

/** One step, with as much of the log as it takes. */
async function follow(directory: Directory, seen: Seen | undefined, document: Held): Promise<Followed> {
  const next = advance(seen, document, undefined);
  if (next.kind === 'advanced') return { kind: 'followed', seen: next.seen, tree: undefined };
  if (next.kind === 'refused') return next;
  const { log } = document.consensus;
  const { tree, failures } = await fetchTree(directory, log, startOf(log, seen));
  if (tree === undefined) return { kind: 'unavailable', failures };
  const step = advance(seen, document, tree);
  if (step.kind === 'advanced') return { kind: 'followed', seen: step.seen, tree };
  if (step.kind === 'refused') return step;
  throw new Error('the tiles that were fetched do not reach what was seen');
}

/** The right edge, unless what was seen lies before it: then the whole log. */
function startOf({ size }: LogHead, seen: Seen | undefined): number {
  const edge = edgeOf(size);
  return seen === undefined || seen.range.size > edge ? edge : 0;
}

type Step =
  | { readonly kind: 'advanced'; readonly seen: Seen }
  | { readonly kind: 'refused'; readonly failure: Failure }
  /** There are leaves in between, of which tiles have to be fetched. */
  | { readonly kind: 'gap' };

/**
 * What to remember of a consensus that was verified (spec log 5): the log that was seen, with its leaf; when there are leaves in between, the
 * log as the tree has it, which has to begin with the one that was seen and hold the consensus that was seen.
 */
function advance(seen: Seen | undefined, { consensus, digest }: Held, tree: LogTree | undefined): Step {
  const objection = contradiction(consensus, digest, lastOf(seen));
  if (objection !== undefined)
    return { kind: 'refused', failure: failureOf(reasonOf(objection.reason), objection.detail) };
  if (seen?.digest === digest) return { kind: 'advanced', seen };
  const { epoch, log } = consensus;
  const advanced = (range: CompactRange): Step => {
    const leaf = hashOfLeaf({ epoch, digest });
    return { kind: 'advanced', seen: { epoch, digest, range: appendLeaf(range, leaf) } };
  };
  const before = seen?.range ?? emptyRange;
  if (before.size === log.size && headOf(before).root === log.root) return advanced(before);
  if (tree === undefined || tree.head.root !== log.root) return { kind: 'gap' };
  if (seen !== undefined && seen.range.size <= tree.from) return { kind: 'gap' };
  if (seen === undefined || beginsWith(tree, seen)) return advanced(rangeOf(tree.subtree, log.size));
  const detail = `its log does not have the consensus for epoch ${seen.epoch} that was seen before`;
  return { kind: 'refused', failure: failureOf('fork', detail) };
}

function failureOf(reason: Failure['reason'], detail: string): Failure {
  return { url: 'the one just fetched', reason, detail };
}

function beginsWith({ head, subtree }: LogTree, { epoch, digest, range }: Seen): boolean {
  const newer = { size: head.size, root: decodeHex(head.root) ?? new Uint8Array() };
  const older = { size: range.size, root: rootOfRange(range) };
  const at = range.size - 1;
  return (
    isConsistent(older, newer, proveConsistency(subtree, older.size, newer.size)) &&
    isIncluded(hashOfLeaf({ epoch, digest }), at, newer, proveInclusion(subtree, at, newer.size))
  );
}

function ascending(sources: readonly Source[]): Source[] {
  return sources.toSorted((a, b) => a.document.consensus.epoch - b.document.consensus.epoch);
}
