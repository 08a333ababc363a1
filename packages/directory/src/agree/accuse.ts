import type { Alarms } from '../alarms.ts';
import { usualDays } from '../keys/certify.ts';
import type { Slot } from '../slots.ts';
import type { AuthorityStore, KeptName } from '../store.ts';
import { short } from './ledger.ts';
import type { Members } from './members.ts';
import { slotIn } from './rounds.ts';

/** One that has signed two votes for a slot. When it is this one, somebody else has its keys. */
export function tellDoubled(
  name: string,
  own: string,
  slot: Pick<Slot, 'epoch' | 'slot'>,
  two: readonly { readonly digest: string }[],
  alarms: Alarms,
): void {
  if (name === own) {
    tellUsedTwice(own, alarms, voteIn(slot));
    return;
  }
  const both = two.map(({ digest }) => short(digest)).join(' and ');
  const at = `in slot ${slot.slot} of epoch ${slot.epoch}`;
  alarms.raise('equivocation', name, `it has signed two votes ${at}: ${both}; both are kept`);
}

/** What is signed by this authority's keys, and not by this authority. */
export function tellUsedTwice(own: string, alarms: Alarms, what: string): void {
  const why = `${what} is signed by this authority's keys and was not made here: they run a second time, or are in other hands`;
  alarms.raise('key-used-twice', own, why);
}

export function voteIn({ epoch, slot }: Pick<Slot, 'epoch' | 'slot'>): string {
  return `a vote in slot ${slot} of epoch ${epoch}`;
}

export function documentOf(epoch: number, digest: string): string {
  return `the document ${short(digest)} for epoch ${epoch}`;
}

/** Seconds after which two things that somebody has said are no alarm any more when this authority is started: as long as a signing key is usual. */
const accusedSeconds = usualDays * 86_400;

/** Who has said two things, as the store has both (spec agreement 7.2): those alarms outlast the process. */
export function tellKept(
  store: Pick<AuthorityStore, 'saidTwice' | 'keptDigests' | 'keptNote'>,
  { names, name: own }: Members,
  alarms: Alarms,
  { epoch: now, epochSeconds }: { readonly epoch: number; readonly epochSeconds: number },
): void {
  const told = new Set<string>();
  for (const { epoch, part, authority } of store.saidTwice(now - Math.ceil(accusedSeconds / epochSeconds))) {
    if (!names.includes(authority) || told.has(`${part} ${authority}`)) continue;
    const kept = store.keptDigests(epoch).filter((one) => one.part === part && one.authority === authority);
    if (part === 'consensus') tellSigned(authority, own, epoch, kept, alarms);
    else {
      const two = inOneSlot(kept, store);
      if (two === undefined) continue;
      tellDoubled(authority, own, { epoch, slot: two.slot }, two.votes, alarms);
    }
    told.add(`${part} ${authority}`);
  }
}

/** One that has signed two documents for an epoch. */
export function tellSigned(
  name: string,
  own: string,
  epoch: number,
  two: readonly { readonly digest: string }[],
  alarms: Alarms,
): void {
  const both = two.map(({ digest }) => short(digest)).join(' and ');
  if (name === own) tellUsedTwice(own, alarms, `one of the documents ${both} for epoch ${epoch}`);
  else alarms.raise('signed-twice', name, `it has signed ${both} for epoch ${epoch}`);
}

/** Votes of one authority for the same slot, if there are any among those for an epoch. */
function inOneSlot(
  kept: readonly KeptName[],
  store: Pick<AuthorityStore, 'keptNote'>,
): { readonly slot: number; readonly votes: readonly KeptName[] } | undefined {
  const bySlot = new Map<number, KeptName[]>();
  for (const one of kept) {
    const slot = slotIn(store.keptNote(one));
    const votes = [...(bySlot.get(slot) ?? []), one];
    if (votes.length === 2) return { slot, votes };
    bySlot.set(slot, votes);
  }
  return undefined;
}
