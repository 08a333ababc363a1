import { hash } from 'node:crypto';
import type { Fact, FactKind } from '../adversary/facts.ts';
import { createSearcher, type Hit } from '../adversary/search.ts';
import type { Cast } from './cast.ts';
import { notFound, notGathered, type Searched, searchedIn } from './coverage.ts';
import type { Piece } from './evidence.ts';
import { kinds, type May, type Party, type Table } from './table.ts';

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
  /** Nothing was found where it must not be, everything that had to be found was, and everything was looked at. */
  readonly ok: boolean;
  readonly rows: readonly Row[];
  /** What was found where it must not be. */
  readonly violations: readonly string[];
  /** What was not gathered, or not found although it is there for sure, and where it is: the search is blind there. */
  readonly missed: readonly string[];
  readonly searched: Searched;
}

/** A fact, and a piece in which it stands. */
export interface Finding {
  readonly piece: Piece;
  readonly hit: Hit;
}

/** What it was judged by, too. */
export interface Judgement extends Knowledge {
  readonly findings: readonly Finding[];
}

export interface Case {
  readonly cast: Cast;
  readonly facts: readonly Fact[];
  /** What the directory tells everybody. */
  readonly published: readonly Uint8Array[];
}

/** Searches every piece for every fact. What one call has searched the next one does not search again. */
export function createJudge({ cast, facts, published }: Case): (pieces: readonly Piece[]) => Judgement {
  const { table } = cast;
  const { search } = createSearcher(facts, { published });
  const known = new Map<string, Hit[]>();
  const found = new WeakMap<Piece, Hit[]>();
  const hitsIn = (piece: Piece): Hit[] => {
    const hits = found.get(piece) ?? searchOnce(piece.bytes);
    found.set(piece, hits);
    return hits;
  };
  const searchOnce = (bytes: Uint8Array): Hit[] => {
    const digest = hash('sha256', bytes, 'base64');
    const hits = known.get(digest) ?? search(bytes);
    known.set(digest, hits);
    return hits;
  };

  return (pieces) => {
    const findings = pieces.flatMap((piece) => hitsIn(piece).map((hit) => ({ piece, hit })));
    const rows = table.parties.map((party) => rowOf(table, party, pieces, findings));
    const violations = rows.flatMap(({ party, cells }) =>
      kinds
        .filter((kind) => !cells[kind].ok)
        .map((kind) => `${party}: ${kind}: ${cells[kind].where.join('; ')}`),
    );
    const blind = notFound(table.surelyFound, ({ party, kind, how, part }) =>
      findings.some(
        ({ piece, hit }) =>
          piece.party === party &&
          piece.how === how &&
          (part === undefined || piece.part === part) &&
          hit.fact.kind === kind,
      ),
    );
    const missed = [...notGathered(pieces, cast), ...blind];
    const ok = violations.length === 0 && missed.length === 0;
    return { ok, rows, violations, missed, findings, searched: searchedIn(pieces, facts.length) };
  };
}

function rowOf({ mayKnow }: Table, party: Party, all: readonly Piece[], findings: readonly Finding[]): Row {
  const pieces = all.filter((piece) => piece.party === party);
  const found = findings.filter(({ piece }) => piece.party === party);
  const cells = kinds.map((kind): [FactKind, Cell] => {
    const may = mayKnow(party, kind);
    const here = found.filter(({ hit }) => hit.fact.kind === kind);
    const wrong = here.filter(({ piece }) => !isAllowed(may, piece));
    // Chance can make what must not be there. Whoever reads of it has to see whether it did.
    const shown = ({ piece, hit }: Finding): [string, string] => {
      const told = `${hit.fact.what} in ${piece.where} (${piece.how}; ${hit.form})`;
      return [told, wrong.length === 0 ? told : `${told}: ${hit.around}`];
    };
    const where = [...new Map((wrong.length === 0 ? here : wrong).map(shown)).values()].slice(0, 5);
    return [kind, { may, found: here.length > 0, ok: wrong.length === 0, where }];
  });
  return {
    party,
    cells: Object.fromEntries(cells) as Record<FactKind, Cell>,
    pieces: pieces.length,
    bytes: pieces.reduce((sum, { bytes }) => sum + bytes.length, 0),
  };
}

function isAllowed(may: May, { how, part }: Piece): boolean {
  switch (may) {
    case 'yes':
      return true;
    case 'passes':
      return part !== 'left' && how !== 'log' && how !== 'metrics';
    case 'told':
      return how === 'received' || how === 'answered';
    case 'no':
      return false;
  }
}
