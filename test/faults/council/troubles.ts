import { below, type Random, shuffled, uniform } from '@postern/protocol/primitives';

/** What is wrong while an epoch is agreed on, with authorities by their places. */
export interface Trouble {
  /** Signs two votes. */
  readonly equivocates?: number;
  /** Keeps its value back. */
  readonly withholds?: number;
  /** Has a clock that is two minutes late. */
  readonly late?: number;
  readonly kills: readonly Kill[];
}

export interface Kill {
  readonly place: number;
  /** When, in rounds from the beginning of the epoch's first slot. */
  readonly atRound: number;
}

export interface Course {
  /** The two that lie when somebody does. */
  readonly liars: readonly number[];
  /** One for each epoch. */
  readonly troubles: readonly Trouble[];
}

export const members = 5;
export const threshold = 3;
const rounds = members - 1;
export const slotRounds = 2 * rounds + 2;
/** When votes are sent, and when documents are signed (spec agreement 2.2). */
const votesSent = 0.5;
const signing = 2 * rounds + 1;

/**
 * Draws what goes wrong in which epoch, of two or more. Two authorities are faulty in each but one, in which the three that do not lie are killed. What the
 * other two have signed for that one keeps them from signing another document unless three say that they have not signed it (spec agreement 6.2): those
 * who lie next are these two.
 */
export function drawCourse(epochs: number, random: Random): Course {
  const [equivocates = 0, withholds = 0, ...others] = shuffled([...Array(members).keys()], random);
  const between = (from: number, to: number): number => from + uniform(random) * (to - from);
  const two = (): readonly [number, number] =>
    shuffled([...Array(members).keys()], random).slice(0, 2) as [number, number];
  const kinds: readonly (() => Trouble)[] = [
    () => ({ equivocates, withholds, kills: [] }),
    () => {
      const [late, place] = two();
      return { late, kills: [{ place, atRound: between(-slotRounds, slotRounds) }] };
    },
    () => {
      const [one, other] = two();
      return {
        kills: [
          { place: one, atRound: between(-slotRounds, slotRounds) },
          { place: other, atRound: between(votesSent, signing) },
        ],
      };
    },
  ];
  const without = kinds.length * below(random, Math.floor((epochs - 2) / kinds.length) + 1);
  const troubles = Array.from({ length: epochs }, (_, at): Trouble => {
    // a round before anybody signs: a kill takes its time
    if (at === without)
      return { kills: others.map((place) => ({ place, atRound: between(-slotRounds, signing - 1) })) };
    const kind = kinds[(at < without ? at : at - 1) % kinds.length] as () => Trouble;
    return kind();
  });
  return { liars: [equivocates, withholds], troubles };
}

/** Whether too few are left to agree. */
export function isWithoutMajority({ kills }: Trouble): boolean {
  return members - kills.length < threshold;
}

/** Places of those that others cannot count on. */
export function faultyIn({ equivocates, withholds, late, kills }: Trouble): number[] {
  return [equivocates, withholds, late, ...kills.map(({ place }) => place)].filter(
    (place) => place !== undefined,
  );
}

/** Of those whose vote nobody takes in time: who was killed later may have said it before. */
export function unheardIn({ equivocates, late, kills }: Trouble): number[] {
  const before = kills.filter(({ atRound }) => atRound <= -1).map(({ place }) => place);
  return [equivocates, late, ...before].filter((place) => place !== undefined);
}
