import type { Alarms } from '../alarms.ts';
import { explain, type Holdup } from '../due.ts';
import type { Slot } from '../slots.ts';
import { tellDoubled } from './accuse.ts';
import { short } from './ledger.ts';
import type { Members } from './members.ts';
import type { Outcome } from './rounds.ts';

/** Names whoever said nothing, did not reveal, said two things, or would have other layers. */
export function watch(outcome: Outcome, slot: Slot, { names, name: own }: Members, alarms: Alarms): void {
  const { votes, reveals, doubled } = outcome;
  const widthOf = (name: string): string | undefined => {
    const vote = votes.get(name);
    return vote && Object.values(vote.value.width).join(' ');
  };
  for (const name of names) {
    const two = doubled.get(name);
    if (two !== undefined) tellDoubled(name, own, slot, two, alarms);
    if (name === own || two !== undefined) continue;
    if (votes.has(name)) alarms.clear('silent', name);
    else alarms.raise('silent', name, 'no vote of it came in time when votes were counted last');
    if (votes.has(name) && !reveals.has(name))
      alarms.raise('withheld-reveal', name, 'it did not reveal its value when votes were counted last');
    else if (reveals.has(name)) alarms.clear('withheld-reveal', name);
    const [one, other] = [widthOf(own), widthOf(name)];
    if (one === undefined || other === undefined) continue;
    if (one === other) alarms.clear('other-width', name);
    else alarms.raise('other-width', name, 'its [width] is another one; what most votes say counts');
  }
}

/** That this authority has had a vote: so it is not silent, and what it said before its store was restored is past. */
export function tellVote(own: string, alarms: Alarms): void {
  alarms.clear('silent', own);
  alarms.clear('store-restored', own);
}

/** That it has had none: others may agree without it, and then nothing is held up. */
export function tellNoVote(own: string, alarms: Alarms, holdup: Holdup | undefined): void {
  const cause = holdup === undefined ? 'none of the others has taken one of it in time' : explain(holdup);
  alarms.raise('silent', own, `this authority had no vote when votes were counted last: ${cause}`);
}

/** Who has said what in a slot after which too few had signed one document. */
export function tellSaid(
  { votes, reveals, doubled }: Outcome,
  signed: ReadonlyMap<string, readonly string[]>,
  { epoch, slot }: Slot,
  { names, threshold }: Members,
): string {
  const said = names.map((name) => {
    const ballot = doubled.has(name) ? 'two votes' : votes.has(name) ? 'a vote' : 'no vote';
    const reveal = votes.has(name) && !reveals.has(name) ? ', no reveal' : '';
    const documents = signed.get(name)?.map(short).join(' and ') ?? 'nothing';
    return `${name}: ${ballot}${reveal}, signed ${documents}`;
  });
  return `after slot ${slot} of epoch ${epoch} no document has ${threshold} signatures: ${said.join('; ')}`;
}
