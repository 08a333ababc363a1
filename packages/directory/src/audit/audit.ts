import { type Earlier, epochAt } from '@postern/protocol/consensus';
import type { Audited, Finding, Proof, Report } from './findings.ts';
import { createFound } from './found.ts';
import type { History, Place } from './history.ts';
import { isAsked, type Newest, type OpenOptions, openAll } from './open.ts';
import { createProofs, type Sighting } from './proofs.ts';
import { type Asked, createRecords } from './records.ts';
import { recount } from './recount.ts';

export interface AuditOptions extends OpenOptions {
  /** Called at every place of the log. */
  readonly onProgress?: (done: number, of: number) => void;
  /** Called with each proof once it is found. */
  readonly onProof?: (proof: Proof) => void;
}

/** Epochs without a consensus, one after the other, of which is asked what was said: ten days of epochs of an hour. */
const mostBetween = 256;

/**
 * Verifies all that was ever issued, as several URLs serve it (spec log 7): each leaf of the log, each consensus, and that all URLs serve the
 * same. The histories are gone through side by side, so that where two differ both documents are at hand.
 */
export async function audit(options: AuditOptions): Promise<Report> {
  const found = createFound();
  const recounted = new Map<string, number>();
  const { histories, newest, certified, trust } = await openAll(options, found);
  const proofs = createProofs(certified, options, options.onProof);
  const records = createRecords({ trust, certified, found, proofs });
  const logged = new Set<string>();
  const recent = new Map<History, readonly Step[]>();
  const size = Math.max(0, ...histories.map(({ checkpoint }) => checkpoint.head.size));
  let last: Lasting | undefined;
  for (let place = 0; histories.some(({ hasEnded }) => !hasEnded); place++) {
    const steps = (await Promise.all(histories.map(stepOf))).flatMap((step) => step ?? []);
    for (const { url, leaf } of steps) logged.add(`${url} ${leaf.digest}`);
    const sightings = steps.flatMap(({ sighting }) => sighting ?? []);
    const atHand = [...sightings, ...rivalsOf(sightings, newest)];
    proofs.look(atHand);
    for (const finding of differencesIn(steps)) found.add(finding);
    last = lastOf(steps, last);
    for (const [epoch, asked] of askedAt(steps, last, options)) {
      const ballots = await records.hear(epoch, asked, atHand);
      for (const { url, history, leaf, sighting } of steps) {
        const its = ballots.get(url);
        const earlier = earlierThan(epoch, recent.get(history) ?? []);
        if (leaf.epoch !== epoch || !sighting || its === undefined || earlier === undefined) continue;
        const outcome = await recount({ ...sighting.read, earlier }, its, history.served, trust);
        if (outcome.kind === 'same') recounted.set(url, (recounted.get(url) ?? 0) + 1);
        if (outcome.kind === 'other')
          found.add({ url, reason: 'wrong-count', epoch, detail: outcome.detail });
      }
    }
    for (const step of steps) recent.set(step.history, [...(recent.get(step.history) ?? []).slice(-1), step]);
    options.onProgress?.(place + 1, size);
  }
  for (const epoch of last === undefined ? [] : epochsAfter(last, options)) {
    const asked = histories.map(({ served }): Asked => ({ served, epochSeconds: last?.epochSeconds ?? 0 }));
    const issuedSince = newest.flatMap(({ sighting }) => sighting ?? []);
    await records.hear(
      epoch,
      asked,
      issuedSince.filter(({ read }) => read.consensus.epoch === epoch),
    );
  }
  for (const history of histories) await history.end();
  for (const finding of notInLog(newest, histories, logged)) found.add(finding);
  return {
    audited: histories.map((history) => auditedOf(history, recounted)),
    findings: found.all,
    proofs: proofs.all,
  };
}

/** One place of one history. */
interface Step extends Place {
  readonly url: string;
  readonly history: History;
}

/** The newest epoch with a consensus so far that enough have signed, and how long epochs are. */
interface Lasting {
  readonly epoch: number;
  readonly epochSeconds: number;
}

async function stepOf(history: History): Promise<Step | undefined> {
  const place = await history.next();
  return place && { ...place, url: history.served.url, history };
}

function lastOf(steps: readonly Step[], before: Lasting | undefined): Lasting | undefined {
  const signed = steps.flatMap(({ sighting }) => sighting?.read.consensus ?? []);
  return [...signed, ...(before === undefined ? [] : [before])].sort((a, b) => b.epoch - a.epoch)[0];
}

/** Who is asked for what was said, by epoch: that of a leaf, and those that have no consensus before it. */
function askedAt(
  steps: readonly Step[],
  last: Lasting | undefined,
  options: OpenOptions,
): [number, readonly Asked[]][] {
  const byEpoch = new Map<number, Asked[]>();
  for (const { history, leaf, previous, consensus, sighting } of steps) {
    const { epochSeconds } = consensus ?? last ?? {};
    if (epochSeconds === undefined) continue;
    const first = (previous?.epoch ?? leaf.epoch) + 1;
    // who has made up a leaf has no end of them
    const isSigned = sighting !== undefined || (consensus && !isAsked(options, leaf.epoch));
    const between = isSigned ? Math.min(mostBetween, Math.max(0, leaf.epoch - first)) : 0;
    const epochs = [...Array.from({ length: between }, (_, at) => first + at), leaf.epoch];
    for (const epoch of epochs.filter((one) => isAsked(options, one)))
      byEpoch.set(epoch, [...(byEpoch.get(epoch) ?? []), { served: history.served, epochSeconds }]);
  }
  return [...byEpoch].sort(([one], [other]) => one - other);
}

/** Those that have begun to be agreed on since the last consensus. */
function epochsAfter({ epoch, epochSeconds }: Lasting, options: OpenOptions): number[] {
  const since = Math.min(mostBetween, Math.max(0, epochAt(options.now, epochSeconds) + 1 - epoch));
  return Array.from({ length: since }, (_, at) => epoch + 1 + at).filter((one) => isAsked(options, one));
}

/** Consensuses of the two epochs before one, of the last two at all; undefined when one of them is not to be had. */
function earlierThan(epoch: number, before: readonly Step[]): Earlier[] | undefined {
  const wanted = before.filter(({ leaf }) => leaf.epoch >= epoch - 2);
  const consensuses = wanted.flatMap(({ consensus }) => consensus ?? []);
  return consensuses.length === wanted.length ? consensuses : undefined;
}

/** Of the newest consensuses those that there may be one of, besides others. There may be one of both. */
function rivalsOf(sightings: readonly Sighting[], newest: readonly Newest[]): Sighting[] {
  const isRival = ({ read: { consensus: one } }: Sighting, { read: { consensus: other } }: Sighting) =>
    one.epoch === other.epoch || one.log.size === other.log.size;
  return newest
    .flatMap(({ sighting }) => sighting ?? [])
    .filter((one) => sightings.some((other) => isRival(one, other)));
}

/** Where URLs have different leaves at one place, each is held against the first. */
function differencesIn([first, ...others]: readonly Step[]): Finding[] {
  return others.flatMap(({ url, leaf }): Finding[] => {
    if (first === undefined || leaf.digest === first.leaf.digest) return [];
    return [
      { url, reason: 'other-history', detail: `its log has another history than that of ${first.url}` },
    ];
  });
}

function notInLog(
  newest: readonly Newest[],
  histories: readonly History[],
  logged: ReadonlySet<string>,
): Finding[] {
  return newest.flatMap(({ url, digest, consensus: { epoch, log } }): Finding[] => {
    const history = histories.find(({ served, isWhole }) => served.url === url && isWhole);
    if (history === undefined || logged.has(`${url} ${digest}`)) return [];
    // it may have been issued since the checkpoint was signed
    const { size, root } = history.checkpoint.head;
    if (log.size === size && log.root === root) return [];
    return [{ url, reason: 'not-in-log', epoch, detail: 'its newest consensus is not in its log' }];
  });
}

function auditedOf(
  { served: { url }, checkpoint, verified, linked }: History,
  recounted: Map<string, number>,
): Audited {
  const { authority, head } = checkpoint;
  return { url, authority, ...head, verified, linked, recounted: recounted.get(url) ?? 0 };
}
