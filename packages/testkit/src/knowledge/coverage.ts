import type { Cast, Source } from './cast.ts';
import { type How, hows, type Part, type Piece } from './evidence.ts';
import type { Sure } from './table.ts';

/** How much was searched of one kind of evidence. */
export interface Amount {
  readonly pieces: number;
  readonly bytes: number;
}

/** What was really searched, for whoever shows it. */
export type Searched = Amount & {
  readonly facts: number;
  readonly by: Readonly<Record<How, Amount>>;
  /** Processes in whose spool a packet or a fragment was seen waiting. */
  readonly waited: readonly string[];
};

export function searchedIn(pieces: readonly Piece[], facts: number): Searched {
  const ofHow = hows.map((how) => [how, amountOf(pieces.filter((piece) => piece.how === how))]);
  const waiting = pieces.filter(({ part }) => part === 'relays' || part === 'fragments');
  return {
    ...amountOf(pieces),
    facts,
    by: Object.fromEntries(ofHow) as Record<How, Amount>,
    waited: [...new Set(waiting.map(({ owner }) => owner))],
  };
}

function amountOf(pieces: readonly Piece[]): Amount {
  return { pieces: pieces.length, bytes: pieces.reduce((sum, { bytes }) => sum + bytes.length, 0) };
}

/**
 * What was not gathered although it is there: each source of the cast's, and of every other party anything. Nothing is found in what nobody
 * looked at, and whoever has no row is judged by none.
 */
export function notGathered(pieces: readonly Piece[], { table, sources, nodeParty }: Cast): string[] {
  const has = ({ owner, how, part }: Source): boolean =>
    pieces.some(
      (piece) =>
        piece.owner === owner &&
        piece.how === how &&
        (part === undefined || piece.part === part) &&
        piece.bytes.length > 0,
    );
  const gaps = sources.filter((source) => !has(source));
  const silent = table.parties.filter(
    (party) =>
      party !== 'other mixes' && !pieces.some((piece) => piece.party === party && piece.bytes.length > 0),
  );
  const strangers = new Set(
    pieces.map(({ party }) => party).filter((party) => !table.parties.includes(party)),
  );
  return [
    ...[...strangers].map((party) => `${party}: has no row, and something was gathered of it`),
    ...gaps.map(({ owner, how, part }) => `${nodeParty(owner)} ${owner}: nothing ${inPlace(how, part)}`),
    ...silent.map((party) => `${party}: nothing at all`),
  ];
}

/** Which of the facts that are there for sure were not found where they are. */
export function notFound(sure: readonly Sure[], found: (one: Sure) => boolean): string[] {
  return sure
    .filter((one) => !found(one))
    .map(({ party, kind, how, part }) => `${party}: ${kind} ${inPlace(how, part)}`);
}

function inPlace(how: How, part: Part | undefined): string {
  return part === undefined ? `(${how})` : `(${how}; ${part})`;
}
