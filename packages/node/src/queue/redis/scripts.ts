import * as inputs from './lua/inputs.ts';
import * as jobs from './lua/jobs.ts';
import { lineage, newestKey } from './lua/keys.ts';
import * as relays from './lua/relays.ts';
import * as returns from './lua/returns.ts';
import { rows } from './lua/rows.ts';
import * as sets from './lua/sets.ts';

/** Scripts by which something new comes in: Redis does not run them beyond `maxmemory`. */
export type Taking = 'accept' | 'send' | 'submit';
type Working =
  | 'refuse'
  | 'defer'
  | 'resume'
  | 'relay'
  | 'fragment'
  | 'returned'
  | 'complaint'
  | 'tellAuthor'
  | 'finishRelay'
  | 'finishSet'
  | 'claim'
  | 'claimExpired'
  | 'release'
  | 'again'
  | 'settled'
  | 'lineage'
  | 'newestKey'
  | 'redraw'
  | 'mend'
  | 'bury'
  | 'expire'
  | 'forgetTags'
  | 'forgetSets'
  | 'forgetReturns'
  | 'forgetComplaints';
type Reading =
  | 'nothing'
  | 'readRelay'
  | 'readSet'
  | 'findReturn'
  | 'complaints'
  | 'nextDue'
  | 'ready'
  | 'wants'
  | 'inspect'
  | 'counts';
export type ScriptName = Taking | Working | Reading;

const taking: Readonly<Record<Taking, string>> = {
  accept: inputs.accept,
  send: relays.send,
  submit: returns.submit,
};

/** What works off what is there; runs beyond `maxmemory` too, so that a full spool gets empty. */
const working: Readonly<Record<Working, string>> = {
  refuse: inputs.refuse,
  defer: inputs.defer,
  resume: inputs.resume,
  relay: relays.relay,
  fragment: sets.fragment,
  returned: returns.returned,
  complaint: returns.complaint,
  tellAuthor: returns.tellAuthor,
  finishRelay: relays.finishRelay,
  finishSet: sets.finishSet,
  claim: jobs.claim,
  claimExpired: sets.claimExpired,
  release: jobs.release,
  again: jobs.again,
  settled: jobs.settled,
  lineage,
  newestKey,
  redraw: jobs.redraw,
  mend: jobs.mend,
  bury: jobs.bury,
  expire: relays.expire,
  forgetTags: relays.forgetTags,
  forgetSets: sets.forgetSets,
  forgetReturns: returns.forgetReturns,
  forgetComplaints: returns.forgetComplaints,
};

const reading: Readonly<Record<Reading, string>> = {
  /** Only what comes before all: it is this spool, and the time is right. */
  nothing: rows,
  readRelay: relays.readRelay,
  readSet: sets.readSet,
  findReturn: returns.findReturn,
  complaints: returns.complaints,
  nextDue: jobs.nextDue,
  ready: jobs.ready,
  wants: jobs.wants,
  inspect: jobs.inspect,
  counts: jobs.counts,
};

/**
 * Every script with its flags. One that is refused is refused before it has changed anything: nothing is ever half done. So is each while
 * the caller's clock and that of Redis are further apart than `skewMs`.
 */
export function scriptsWithin(skewMs: number): ReadonlyMap<ScriptName, string> {
  const skew = Number.isFinite(skewMs) ? String(skewMs) : 'math.huge';
  const flagged = (flags: string, all: Readonly<Record<string, string>>): [ScriptName, string][] =>
    Object.entries(all).map(([name, text]) => [
      name as ScriptName,
      `#!lua${flags}\nlocal skew = ${skew}\n${text}`,
    ]);
  return new Map([
    ...flagged('', taking),
    ...flagged(' flags=allow-oom', working),
    ...flagged(' flags=no-writes', reading),
  ]);
}
