import { hash } from 'node:crypto';
import type { Fact, FactKind } from '../adversary/facts.ts';
import { createSearcher, type Hit } from '../adversary/search.ts';
import type { Evidence, Piece } from './evidence.ts';
import { kinds, type May, mayKnow, type Party, parties, surelyFound } from './table.ts';

/** One cell of the table of who may know what, filled in. */
export interface Cell {
  readonly may: May;
  /** Whether it was found at all. */
  readonly found: boolean;
  /** Whether it was found only where it may stand. */
  readonly ok: boolean;
  /** Where, a few examples. */
  readonly where: readonly string[];
}

export interface Row {
  readonly party: Party;
  readonly cells: Readonly<Record<FactKind, Cell>>;
  /** How much of it was searched. */
  readonly pieces: number;
  readonly bytes: number;
}

/** The table, filled in from a search of everything. */
export interface Knowledge {
  /** Nothing was found where it must not be, and everything that had to be found was. */
  readonly ok: boolean;
  readonly rows: readonly Row[];
  /** What was found where it must not be. */
  readonly violations: readonly string[];
  /** What was not found although it is there for sure: the search is blind. */
  readonly missed: readonly string[];
  readonly searched: { readonly facts: number; readonly pieces: number; readonly bytes: number };
}

/** Searches every piece for every fact. `published` is what the directory tells everybody. */
export function judge(
  evidence: Evidence,
  facts: readonly Fact[],
  published: readonly Uint8Array[],
): Knowledge {
  const { search } = createSearcher(facts, { published });
  const known = new Map<string, Hit[]>();
  const searchOnce = (bytes: Uint8Array): Hit[] => {
    const digest = hash('sha256', bytes, 'base64');
    const hits = known.get(digest) ?? search(bytes);
    known.set(digest, hits);
    return hits;
  };
  const rows = parties.map((party) => rowOf(party, evidence.pieces, searchOnce));
  const violations = rows.flatMap(({ party, cells }) =>
    kinds
      .filter((kind) => !cells[kind].ok)
      .map((kind) => `${party}: ${kind}: ${cells[kind].where.join('; ')}`),
  );
  const missed = surelyFound
    .filter(([party, kind]) => rows.find((row) => row.party === party)?.cells[kind].found !== true)
    .map(([party, kind]) => `${party}: ${kind}`);
  return {
    ok: violations.length === 0 && missed.length === 0,
    rows,
    violations,
    missed,
    searched: { facts: facts.length, pieces: evidence.pieces.length, bytes: evidence.totalBytes },
  };
}

function rowOf(party: Party, all: readonly Piece[], search: (bytes: Uint8Array) => Hit[]): Row {
  const pieces = all.filter((piece) => piece.party === party);
  const found = pieces.flatMap((piece) => search(piece.bytes).map((hit) => ({ piece, hit })));
  const cells = kinds.map((kind): [FactKind, Cell] => {
    const may = mayKnow(party, kind);
    const here = found.filter(({ hit }) => hit.fact.kind === kind);
    const wrong = here.filter(({ piece }) => !isAllowed(may, piece));
    const shown = (wrong.length > 0 ? wrong : here).map(
      ({ piece, hit }) => `${hit.fact.what} in ${piece.where} (${piece.how}; ${hit.form})`,
    );
    const where = [...new Set(shown)].slice(0, 5);
    return [kind, { may, found: here.length > 0, ok: wrong.length === 0, where }];
  });
  return {
    party,
    cells: Object.fromEntries(cells) as Record<FactKind, Cell>,
    pieces: pieces.length,
    bytes: pieces.reduce((sum, { bytes }) => sum + bytes.length, 0),
  };
}

function isAllowed(may: May, { how }: Piece): boolean {
  return may === 'yes' || (may === 'told' && (how === 'received' || how === 'answered'));
}
