import { decodeJson, encodeJson } from '../codec/json.ts';
import { maxConsensusLength } from './documents.ts';
import { compareText } from './shape.ts';
import { digestOf } from './text.ts';

/**
 * What turns one signed consensus into another (spec consensus 10.3): the top-level members that differ, and of `nodes` those that have gone and
 * the members that differ of the others. It knows no member but `nodes`, and `id` in these.
 */
interface Diff {
  /** Hex SHA-256 of the text that it is applied to, … */
  readonly from: string;
  /** … and of what comes of it. */
  readonly to: string;
  readonly members: Members;
  readonly nodes: { readonly changed: readonly Entry[]; readonly gone: readonly string[] };
  /** The lines under the text. */
  readonly signatures: string;
}

type Members = Readonly<Record<string, unknown>>;
type Entry = Members & { readonly id: string };

/** What two notes have apart: the first line, what the JSON says, and the signatures. */
interface Parts {
  readonly text: string;
  readonly origin: string;
  readonly members: Members;
  readonly nodes: ReadonlyMap<string, Entry>;
  readonly signatures: string;
}

/** Canonical JSON of what makes `to` of `from`; undefined where that says no less than `to` does, or either is no consensus. */
export function makeDiff(from: string, to: string): string | undefined {
  const [before, after] = [partsOf(from), partsOf(to)];
  if (before === undefined || after === undefined || before.origin !== after.origin) return undefined;
  // of a node that has a member less everything is said anew
  const gone = [...before.nodes].flatMap(([id, entry]) => {
    const now = after.nodes.get(id);
    return now !== undefined && Object.keys(entry).every((name) => Object.hasOwn(now, name)) ? [] : [id];
  });
  const changed = [...after.nodes].flatMap(([id, entry]) => {
    const members = differing((gone.includes(id) ? undefined : before.nodes.get(id)) ?? {}, entry);
    return Object.keys(members).length === 0 ? [] : [{ ...members, id }];
  });
  const diff: Diff = {
    from: digestOf(before.text),
    to: digestOf(after.text),
    members: differing(before.members, after.members),
    nodes: { changed, gone },
    signatures: after.signatures,
  };
  const encoded = encodeJson(diff);
  // a top-level member less cannot be said
  return encoded.length < to.length && applyDiff(from, encoded) === to ? encoded : undefined;
}

/**
 * The signed consensus that a diff makes of another, unverified but for its digest being the one that the diff names; undefined when it is no
 * diff from that one.
 */
export function applyDiff(from: string, encoded: string): string | undefined {
  const before = partsOf(from);
  const diff = encoded.length > maxConsensusLength ? undefined : readDiff(encoded);
  if (before === undefined || diff?.from !== digestOf(before.text)) return undefined;
  const nodes = new Map(before.nodes);
  for (const id of diff.nodes.gone) if (!nodes.delete(id)) return undefined;
  for (const entry of diff.nodes.changed) nodes.set(entry.id, { ...nodes.get(entry.id), ...entry });
  const sorted = [...nodes.values()].sort((a, b) => compareText(a.id, b.id));
  const text = `${before.origin}\n${encodeJson({ ...before.members, ...diff.members, nodes: sorted })}\n`;
  const signed = `${text}\n${diff.signatures}`;
  return signed.length <= maxConsensusLength && digestOf(text) === diff.to ? signed : undefined;
}

function partsOf(signed: string): Parts | undefined {
  const blank = signed.lastIndexOf('\n\n');
  const text = signed.slice(0, blank + 1);
  const [origin, line, end, ...more] = text.split('\n');
  if (blank < 1 || origin === undefined || line === undefined || end !== '' || more.length > 0)
    return undefined;
  const json = decodeJson(line);
  if (json.kind === 'refused' || !isObject(json.value)) return undefined;
  const { nodes, ...members } = json.value;
  if (!isListOf(nodes, isEntry)) return undefined;
  return {
    text,
    origin,
    members,
    nodes: new Map(nodes.map((entry) => [entry.id, entry])),
    signatures: signed.slice(blank + 2),
  };
}

function readDiff(encoded: string): Diff | undefined {
  const json = decodeJson(encoded);
  if (json.kind === 'refused' || !isObject(json.value)) return undefined;
  const { from, to, members, nodes, signatures } = json.value;
  if (!isText(from) || !isText(to) || !isText(signatures) || !isObject(members) || !isObject(nodes))
    return undefined;
  const { changed, gone } = nodes;
  if (!isListOf(changed, isEntry) || !isListOf(gone, isText)) return undefined;
  return { from, to, members, nodes: { changed, gone }, signatures };
}

/** Members that are new or have another value. */
function differing(before: Members, after: Members): Members {
  const differs = ([name, value]: [string, unknown]): boolean =>
    !Object.hasOwn(before, name) || encodeJson(before[name]) !== encodeJson(value);
  return Object.fromEntries(Object.entries(after).filter(differs));
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isEntry(value: unknown): value is Entry {
  return isObject(value) && isText(value.id);
}

function isListOf<T>(value: unknown, is: (item: unknown) => item is T): value is T[] {
  return Array.isArray(value) && value.every(is);
}
