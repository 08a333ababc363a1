import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuthorityStatus } from '@postern/directory';
import type { Authority } from './authorities.ts';
import { type Trouble, threshold } from './troubles.ts';

type Alarm = AuthorityStatus['alarms'][number];

/** An alarm that has to stand, and with how many at least. */
export interface Wanted {
  readonly at: readonly Authority[];
  readonly least: number;
  readonly kind: Alarm['kind'];
  readonly about: string;
  readonly why: RegExp;
}

/**
 * Alarms by which operators learn who is faulty, of an epoch for which there is a consensus. Whoever has signed that has counted it, and so seen who did not
 * what the others did: of three at least all but that one.
 */
export function alarmsOf(
  { equivocates, withholds, late, kills }: Trouble,
  epoch: number,
  authorities: readonly Authority[],
): Wanted[] {
  const alive = authorities.filter((_, at) => !kills.some(({ place }) => place === at));
  const named = (place: number | undefined, kind: Alarm['kind'], why: RegExp): Wanted[] => {
    const one = place === undefined ? undefined : authorities[place];
    if (one === undefined) return [];
    return [{ at: alive.filter((other) => other !== one), least: threshold - 1, kind, about: one.name, why }];
  };
  const own = late === undefined ? undefined : authorities[late];
  return [
    ...named(equivocates, 'equivocation', new RegExp(`two votes in slot \\d+ of epoch ${epoch}:`)),
    ...named(withholds, 'withheld-reveal', /did not reveal/),
    ...named(late, 'peer-clock-off', twoMinutes),
    ...(own === undefined
      ? []
      : [{ at: [own], least: 1, kind: 'clock-off', about: own.name, why: twoMinutes } as const]),
  ];
}

const twoMinutes = /is about 1[12]\d s behind/;

/** Whether an alarm stands with enough of those. */
export async function stands({ at, least, kind, about, why }: Wanted): Promise<boolean> {
  const is = (one: Alarm): boolean => one.kind === kind && one.about === about && why.test(one.why);
  const all = await Promise.all(at.map((authority) => authority.status()));
  return all.filter(({ alarms }) => alarms.some(is)).length >= least;
}

/** What authorities ever said in their logs that others have done who have not: all but one, who did say two things. */
export async function accusations(authorities: readonly Authority[], liar: string): Promise<string[]> {
  const kinds: readonly string[] = ['equivocation', 'signed-twice', 'fork', 'store-restored'];
  const inLog = async ({ name, folder }: Authority): Promise<string[]> => {
    const lines = (await readFile(join(folder, 'log'), 'utf8')).split('\n');
    return lines.flatMap((line) => {
      if (!line.includes('"event":"alarm"')) return [];
      const { kind, about, why } = JSON.parse(line) as Alarm;
      return kinds.includes(kind) && about !== liar ? [`${name} says ${kind} of ${about}: ${why}`] : [];
    });
  };
  return (await Promise.all(authorities.map(inLog))).flat();
}
