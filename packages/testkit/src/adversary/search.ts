import { hash } from 'node:crypto';
import { type Automaton, createAutomaton, lowerCase } from './automaton.ts';
import type { Fact } from './facts.ts';
import { type Form, formsOf } from './forms.ts';
import { isNoise } from './noise.ts';
import { unpack } from './unpack.ts';

/** A fact, found. */
export interface Hit {
  readonly fact: Fact;
  /** The form in which it stood, behind what had to be unpacked to see it: `base64, gzip, plain`. */
  readonly form: string;
  /** Where, in the bytes that were unpacked last, with runs of zeros shortened. */
  readonly at: number;
  /** What stands there, and 32 bytes on either side; what does not print, and `\`, as `\x` and two digits of hex. */
  readonly around: string;
}

export interface Searcher {
  /** Each fact that stands in `data` in any form, once for each form. */
  readonly search: (data: Uint8Array) => Hit[];
}

export interface SearcherOptions {
  /**
   * What everybody is told anyway, such as the consensus: an occurrence does not count when it stands among the words of one of
   * these texts. It counts anywhere else.
   */
  readonly published?: readonly Uint8Array[];
  /** How often something packed inside something packed is unpacked. */
  readonly depth?: number;
}

interface Sought {
  readonly fact: Fact;
  readonly form: Form;
}

/** Made once for many searches: the cost of making it grows with the facts, that of a search with the data. */
export function createSearcher(facts: readonly Fact[], options: SearcherOptions = {}): Searcher {
  const { depth = 6 } = options;
  const texts = (options.published ?? []).map((text) => Buffer.from(text));
  const published = texts.flatMap(inEveryForm);
  const publishedWhole = new Set<string>();
  for (const text of texts) collect(text, depth, publishedWhole);
  const sought = facts.flatMap((fact) => formsOf(fact).map((form): Sought => ({ fact, form })));
  const automata = [true, false].map((folded) => {
    const members = sought.filter(({ form }) => form.folded === folded);
    const patterns = members.map(({ form }) => form.bytes);
    return { members, automaton: createAutomaton(patterns, folded ? lowerCase : undefined) };
  });

  const search = (data: Uint8Array): Hit[] => {
    const hits = new Map<string, Hit>();
    const seen = new Set<string>();
    const visit = (bytes: Buffer, way: readonly string[]): void => {
      const digest = digestOf(bytes);
      if (seen.has(digest) || publishedWhole.has(digest)) return;
      seen.add(digest);
      for (const { members, automaton } of automata) {
        for (const { found, at } of occurrences(bytes, automaton, members)) {
          if (isPublished(bytes, at, found.form.bytes.length, published)) continue;
          const form = [...way, found.form.name].join(', ');
          const key = JSON.stringify([facts.indexOf(found.fact), form]);
          if (!hits.has(key))
            hits.set(key, { fact: found.fact, form, at, around: around(bytes, at, found.form) });
        }
      }
      if (way.length === depth) return;
      for (const inner of unpack(bytes)) visit(inner.bytes, [...way, inner.how]);
    };
    visit(squeezed(Buffer.from(data.buffer, data.byteOffset, data.byteLength)), []);
    return [...hits.values()];
  };
  return { search };
}

function occurrences(
  data: Buffer,
  automaton: Automaton,
  members: readonly Sought[],
): { found: Sought; at: number }[] {
  const result: { found: Sought; at: number }[] = [];
  automaton.scan(data, (pattern, end) => {
    const found = members[pattern];
    if (found === undefined) return;
    const at = end + 1 - found.form.bytes.length;
    if (!isNoise(data, at, end + 1)) result.push({ found, at });
  });
  return result;
}

function around(data: Buffer, at: number, { bytes }: Form): string {
  const near = data.subarray(Math.max(0, at - 32), at + bytes.length + 32);
  return near
    .toString('latin1')
    .replaceAll(/[^ -[\]-~]/g, (octet) => `\\x${octet.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

const fewZeros = Buffer.alloc(64);
const manyZeros = Buffer.alloc(1_024);

/** Databases are made of zeros for the most part. Where there are a thousand in a row, 64 are as good. */
function squeezed(data: Buffer): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (let zeros = data.indexOf(manyZeros); zeros >= 0; zeros = data.indexOf(manyZeros, from)) {
    parts.push(data.subarray(from, zeros), fewZeros);
    from = zeros + manyZeros.length;
    while (data[from] === 0) from += 1;
  }
  return parts.length === 0 ? data : Buffer.concat([...parts, data.subarray(from)]);
}

/** The digests of a text and of everything that can be unpacked from it. */
function collect(bytes: Buffer, depth: number, digests: Set<string>): void {
  const digest = digestOf(bytes);
  if (digests.has(digest)) return;
  digests.add(digest);
  if (depth > 0) for (const inner of unpack(bytes)) collect(inner.bytes, depth - 1, digests);
}

function digestOf(bytes: Buffer): string {
  return hash('sha1', bytes, 'base64');
}

/** A text, and how it looks in the forms in which facts are found without being unpacked. */
function inEveryForm(plain: Buffer): Buffer[] {
  const forms = [0, 1, 2].map((start) => plain.subarray(start).toString('base64'));
  return [
    plain,
    ...[...forms, plain.toString('hex'), plain.toString('hex').toUpperCase()].map((form) =>
      Buffer.from(form),
    ),
  ];
}

/** So many bytes beside an occurrence must be the published text's, on one side at least: a page of a database may end on the other. */
const publishedContext = 24;

function isPublished(data: Buffer, at: number, length: number, published: readonly Buffer[]): boolean {
  const before = data.subarray(Math.max(0, at - publishedContext), at + length);
  const after = data.subarray(at, at + length + publishedContext);
  const long = length + publishedContext;
  return published.some(
    (text) =>
      (before.length === long && text.includes(before)) || (after.length === long && text.includes(after)),
  );
}
