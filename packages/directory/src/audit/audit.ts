import {
  type AuthorityKey,
  type Earlier,
  readIssued,
  type Trust,
  type Vote,
  verifyCheckpoint,
} from '@postern/protocol/consensus';
import type { Leaf } from '@postern/protocol/log';
import type { AskOptions } from '../ask.ts';
import { findEquivocations, gatherDocuments, type Sourced } from './equivocations.ts';
import type { Audited, Finding, Proof, Report } from './findings.ts';
import { type History, openHistory } from './history.ts';
import { provenBy, type Sighting } from './proofs.ts';
import { recount } from './recount.ts';
import { type Certified, NotServed, openServed, type Served } from './served.ts';
import { type Ballots, ballotsOf, type Said } from './verified-ballots.ts';

export interface AuditOptions extends AskOptions {
  /** Without a slash at the end; each an authority or a mirror. */
  readonly urls: readonly string[];
  readonly authorities: readonly AuthorityKey[];
  readonly threshold: number;
  /** Unix seconds. */
  readonly now: number;
  /** Called at every place of the log. */
  readonly onProgress?: (done: number, of: number) => void;
}

/** What the URLs serve that is not in order yet: their own words, before the first consensus is looked at. */
interface Opened {
  readonly histories: readonly History[];
  /** The newest consensus of each URL that has one that holds. */
  readonly newest: readonly Sighting[];
  readonly certified: readonly Certified[];
  readonly trust: Trust;
}

/**
 * Verifies all that was ever issued, as several URLs serve it (spec log 7): each leaf of the log, each consensus, and that all URLs serve the
 * same. The histories are gone through side by side, so that where two differ both documents are at hand.
 */
export async function audit(options: AuditOptions): Promise<Report> {
  const findings: Finding[] = [];
  const proofs = new Map<string, Proof>();
  const recounted = new Map<string, number>();
  const { histories, newest, certified, trust } = await open(options, findings);
  const logged = new Set<string>();
  const recent = new Map<History, readonly Step[]>();
  const size = Math.max(0, ...histories.map(({ checkpoint }) => checkpoint.head.size));
  for (let place = 0; histories.some(({ hasEnded }) => !hasEnded); place++) {
    const steps = (await Promise.all(histories.map((history) => stepOf(history, trust)))).flatMap(
      (step) => step ?? [],
    );
    for (const { url, leaf } of steps) logged.add(`${url} ${leaf.digest}`);
    const said = gatherDocuments(steps.flatMap(documentsIn), trust);
    const sightings = [...steps.flatMap(({ sighting }) => sighting ?? []), ...said.sightings];
    const also = newest.filter((one) => sightings.some((other) => isRival(one, other)));
    for (const proof of provenBy([...sightings, ...also], certified, options))
      proofs.set(proof.verdict.digests.join(), proof);
    findings.push(...differencesIn(steps), ...findEquivocations(steps.flatMap(votesIn)), ...said.findings);
    for (const step of steps) {
      const { url, history, leaf, sighting, ballots } = step;
      const before = recent.get(history) ?? [];
      recent.set(history, [...before.slice(-1), step]);
      const earlier = earlierThan(leaf.epoch, before);
      if (sighting === undefined || ballots === undefined || earlier === undefined) continue;
      const counting = { ...sighting.read, earlier };
      const outcome = await recount(counting, ballots, history.served, trust);
      if (outcome.kind === 'same') recounted.set(url, (recounted.get(url) ?? 0) + 1);
      if (outcome.kind === 'other')
        findings.push({ url, reason: 'wrong-count', epoch: leaf.epoch, detail: outcome.detail });
    }
    options.onProgress?.(place + 1, size);
  }
  for (const history of histories) await history.end();
  for (const { url, read } of newest) {
    const history = histories.find(({ served, isWhole }) => served.url === url && isWhole);
    if (history === undefined || logged.has(`${url} ${read.digest}`)) continue;
    // it may have been issued since the checkpoint was signed
    const { size, root } = history.checkpoint.head;
    if (read.consensus.log.size !== size || read.consensus.log.root !== root)
      findings.push(notInLog(url, read.consensus.epoch));
  }
  return {
    audited: histories.map((history) => auditedOf(history, recounted)),
    findings: unrepeated(findings),
    proofs: [...proofs.values()],
  };
}

/** Those of the two epochs before one, of the last two at all; undefined when one of them is not to be had. */
function earlierThan(epoch: number, before: readonly Step[]): Earlier[] | undefined {
  const wanted = before.filter(({ leaf }) => leaf.epoch >= epoch - 2);
  const found = wanted.flatMap(({ sighting }) => sighting?.read.consensus ?? []);
  return found.length === wanted.length ? found : undefined;
}

async function open(options: AuditOptions, findings: Finding[]): Promise<Opened> {
  const { authorities, threshold, now } = options;
  const served = options.urls.map((url) => openServed(url, options));
  const orFinding = async <T>({ url }: Served, work: Promise<T>): Promise<T | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof NotServed)) throw error;
      findings.push({ url, reason: 'not-served', detail: error.message });
      return undefined;
    }
  };
  const each = <T>(work: (one: Served) => Promise<T>): Promise<(T | undefined)[]> =>
    Promise.all(served.map((one) => orFinding(one, work(one))));

  const certified = (await each((one) => one.certificates(authorities))).flatMap((some) => some ?? []);
  const trust: Trust = { authorities, threshold, signingKeys: certified.map(({ key }) => key) };
  const documents = await each((one) => one.newest());
  const newest = served.flatMap(({ url }, at) => {
    const signed = documents[at];
    const read = signed === undefined ? undefined : readIssued(signed, trust);
    if (signed === undefined || read === undefined) return [];
    if (read.kind === 'consensus') return [{ url, signed, read }];
    findings.push({ url, reason: 'bad-document', detail: `its newest consensus: ${read.detail}` });
    return [];
  });
  const checkpoints = await each((one) => one.checkpoint());
  const histories = served.flatMap((one, at) => {
    const signed = checkpoints[at];
    if (signed === undefined) return [];
    const found = (finding: Omit<Finding, 'url'>): void => void findings.push({ url: one.url, ...finding });
    const checkpoint = verifyCheckpoint(signed, { ...trust, now });
    if (checkpoint.kind === 'checkpoint') return [openHistory({ served: one, checkpoint, trust, found })];
    found({ reason: 'bad-checkpoint', detail: checkpoint.detail });
    return [];
  });
  return { histories, newest, certified, trust };
}

/** One place of one history, with what its URL has kept of the agreement on that epoch. */
interface Step {
  readonly url: string;
  readonly history: History;
  readonly leaf: Leaf;
  readonly sighting: Sighting | undefined;
  readonly ballots: Ballots | undefined;
  /** Under the signatures of few or many. */
  readonly documents: readonly string[];
}

async function stepOf(history: History, trust: Trust): Promise<Step | undefined> {
  const next = await history.next();
  if (next === undefined) return undefined;
  const { leaf, sighting } = next;
  const record = await history.served.record(leaf.epoch).catch((error: unknown) => {
    // it is kept by whoever wants to
    if (!(error instanceof NotServed)) throw error;
    return undefined;
  });
  const ballots = record && sighting && ballotsOf(record, sighting.read.consensus, trust);
  const { url } = history.served;
  return { url, history, leaf, sighting, ballots, documents: record?.documents ?? [] };
}

function documentsIn({ url, sighting, documents }: Step): Sourced<string>[] {
  return [...(sighting === undefined ? [] : [sighting.signed]), ...documents].map((of) => ({ url, of }));
}

function votesIn({ url, ballots }: Step): Sourced<Said<Vote>>[] {
  return (ballots?.votes ?? []).map((of) => ({ url, of }));
}

/** There may be one of both. */
function isRival({ read: { consensus: one } }: Sighting, { read: { consensus: other } }: Sighting): boolean {
  return one.epoch === other.epoch || one.log.size === other.log.size;
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

function notInLog(url: string, epoch: number): Finding {
  return { url, reason: 'not-in-log', epoch, detail: 'its newest consensus is not in its log' };
}

/** What is about no epoch in particular is said once. */
function unrepeated(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((one) => [JSON.stringify(one), one])).values()];
}

function auditedOf(
  { served: { url }, checkpoint, verified }: History,
  recounted: Map<string, number>,
): Audited {
  const { authority, head } = checkpoint;
  return { url, authority, ...head, verified, recounted: recounted.get(url) ?? 0 };
}
