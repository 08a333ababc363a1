import {
  type Consensus,
  isTimely,
  maxAuthorities,
  maxOutageLength,
  nodesOut,
  type Outage,
  verifyOutage,
} from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import { ask } from '../ask.ts';
import { maxOutagesBytes, notesIn } from '../notes.ts';
import type { TextStore } from './cache.ts';
import { fetchCertificates } from './certificates.ts';
import { type Directory, trustOf } from './collect.ts';
import { placesOf } from './places.ts';
import { isWithin } from './within.ts';

/** What a reader knows of mixes that cannot be reached (spec outage 4). */
export interface Outages {
  /** Ids, by the notices for a consensus's epoch that count now; its mirrors are asked as well. Throws `DirectoryError` `wrong-cache` alone. */
  out(consensus: Pick<Consensus, 'epoch' | 'nodes'>): Promise<readonly string[]>;
  /** The notices that count now, as they were signed, from the URLs configured. Throws in the like manner. */
  notices(): Promise<readonly string[]>;
}

/** How long notices do without asking again, milliseconds, whatever came of it. */
const restMs = 180_000;

/** One exchange, milliseconds, and how many of each kind of place: a message waits for them, and can go without. */
const mostMs = 5_000;
const mostMirrors = 1;
const mostUrls = 2;

interface Noted {
  readonly signed: string;
  readonly outage: Outage;
}

export function createOutages(
  directory: Directory,
  { store, clock }: { readonly store: TextStore; readonly clock: Clock },
): Outages {
  const now = (): number => Math.floor(clock.now() / 1_000);
  /** Verified before, by text. */
  let known = new Map<string, Noted>();
  const read = (signed: string): Noted | readonly string[] | undefined => {
    const before = known.get(signed);
    if (before !== undefined) return before;
    const verified = verifyOutage(signed, trustOf(directory));
    if (verified.kind === 'outage') return { signed, outage: verified.outage };
    return verified.uncertified;
  };
  /** The newest of each authority, as far as it counts now. */
  const settle = (noted: readonly Noted[]): readonly Noted[] => {
    const newest = new Map<string, Noted>();
    for (const one of noted) {
      const { authority, at } = one.outage;
      if (isTimely(one.outage, now()) && at > (newest.get(authority)?.outage.at ?? -1))
        newest.set(authority, one);
    }
    known = new Map([...newest.values()].map((one) => [one.signed, one]));
    return [...newest.values()];
  };
  const recall = (): { readonly askedMs: number; readonly notes: readonly Noted[] } => {
    const [, digits = '0', list = ''] = /^(\d{1,16})\n([^\n]*)\n$/.exec(store.load() ?? '') ?? [];
    const notes = (notesIn(list, maxOutageLength) ?? []).map(read).filter(isNoted);
    return { askedMs: Number(digits), notes: settle(notes) };
  };
  const fetchFrom = async (url: string): Promise<readonly Noted[] | undefined> => {
    const timeoutMs = Math.min(mostMs, directory.timeoutMs);
    const answer = await ask(`${url}/v1/outages`, { ...directory, timeoutMs, maxBytes: maxOutagesBytes });
    const list =
      answer.kind === 'answer' && answer.status === 200 ? notesIn(answer.text, maxOutageLength) : undefined;
    if (list === undefined) return undefined;
    const notes = list.slice(0, maxAuthorities);
    const once = notes.map(read);
    if (!once.some((one) => Array.isArray(one))) return once.filter(isNoted);
    await fetchCertificates(directory.certificates, url, { ...directory, timeoutMs });
    return notes.map(read).filter(isNoted);
  };
  /**
   * Asks until so many authorities are heard as can take a mix out. Which of them, where there are more, whoever answers first chooses: it can have more mixes
   * drawn, and never fewer (spec outage 6).
   */
  const refresh = async (before: readonly Noted[], nodes: Consensus['nodes']): Promise<readonly Noted[]> => {
    const askedMs = clock.now();
    const places = placesOf(directory, nodes);
    const asked = [
      ...places.filter(({ isMirror }) => isMirror).slice(0, mostMirrors),
      ...places.filter(({ isMirror }) => !isMirror).slice(0, mostUrls),
    ];
    let found: readonly Noted[] = [];
    for (const { url } of asked) {
      found = [...found, ...((await fetchFrom(url)) ?? [])];
      if (authoritiesOf(found) >= directory.threshold) break;
    }
    const notes = settle([...before, ...found]);
    await store.save(`${askedMs}\n${JSON.stringify(notes.map(({ signed }) => signed))}\n`);
    return notes;
  };
  let underWay: Promise<readonly Noted[]> | undefined;
  const authoritiesOf = (noted: readonly Noted[]): number =>
    new Set(noted.flatMap(({ outage }) => (isTimely(outage, now()) ? outage.authority : []))).size;
  const held = async (nodes: Consensus['nodes']): Promise<readonly Noted[]> => {
    const { askedMs, notes } = recall();
    underWay ??= isWithin(clock.now(), askedMs, restMs)
      ? undefined
      : refresh(notes, nodes).finally(() => {
          underWay = undefined;
        });
    return (await underWay) ?? notes;
  };
  return {
    async out({ epoch, nodes }) {
      const said = (await held(nodes)).map(({ outage }) => outage);
      return nodesOut(said, { epoch, now: now(), threshold: directory.threshold });
    },
    notices: async () => (await held([])).map(({ signed }) => signed),
  };
}

function isNoted(one: Noted | readonly string[] | undefined): one is Noted {
  return one !== undefined && 'outage' in one;
}
