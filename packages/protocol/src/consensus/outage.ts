import { formatNote, type NoteSigner, parseNote, signText } from '../codec/note.ts';
import { maxOutageLength, type Outage } from './documents.ts';
import { outageShape } from './schema.ts';
import { compareText } from './shape.ts';
import { decodeText, encodeText, type Form } from './text.ts';
import { checkGood, countAt, type Shortage, type Trust } from './trust.ts';

const form: Form<Outage> = { origin: 'postern.outage/v1', shape: outageShape };

/** Seconds for which a notice counts. */
const outageSeconds = 600;

/** Seconds that the clock of an authority may be ahead of a reader's. */
const clockTolerance = 60;

export type OutageRefusal = 'oversized' | 'malformed' | 'unknown-version' | 'bad-signature' | Shortage;

export type VerifiedOutage =
  | { readonly kind: 'outage'; readonly outage: Outage }
  | {
      readonly kind: 'refused';
      readonly reason: OutageRefusal;
      readonly detail: string;
      /** As with `Untrusted`. */
      readonly uncertified?: readonly string[];
    };

/** Whose notices are read. */
export type OutageReader = Omit<Trust, 'threshold'>;

/** A notice as a note, signed by the authority whose it is (spec outage 2). Throws `ProtocolError` `wrong-document`. */
export function signOutage(outage: Outage, signer: NoteSigner): string {
  const text = encodeText(form, outage);
  return formatNote({ text, signatures: [signText(text, signer)] });
}

/** Reads a notice that the authority whose it is has signed, alone, with a key of the notice's time. Whether it counts now says `nodesOut`. */
export function verifyOutage(signed: string, reader: OutageReader): VerifiedOutage {
  if (signed.length > maxOutageLength)
    return refused('oversized', `it is longer than ${maxOutageLength} characters`);
  const note = parseNote(signed, maxOutageLength);
  if (note === undefined) return refused('malformed', 'it is no signed note');
  // lists are long, and each signature takes its time
  if (note.signatures.length !== 1) return refused('malformed', 'it has more than one signature');
  const trust: Trust = { ...reader, threshold: 1 };
  const good = checkGood(note, trust);
  if (good.kind === 'refused') return good;
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const { authority, at } = decoded.value;
  const signatures = countAt(good, trust, at);
  if (signatures.kind === 'refused') return signatures;
  if (signatures.by.includes(authority)) return { kind: 'outage', outage: decoded.value };
  return refused('too-few-signatures', `${authority} has not signed it`);
}

/** Whether a notice is of now, Unix seconds: no older than ten minutes, and of no time to come. */
export function isTimely({ at }: Outage, now: number): boolean {
  return at <= now + clockTolerance && now < at + outageSeconds;
}

/**
 * The mixes that are out, sorted: those that so many authorities have not reached, each by its newest notice that counts now (spec outage 4).
 * Fewer than `threshold` take nobody out.
 */
export function nodesOut(
  notices: readonly Outage[],
  { epoch, now, threshold }: { readonly epoch: number; readonly now: number; readonly threshold: number },
): string[] {
  const newest = new Map<string, Outage>();
  for (const notice of notices) {
    const counts = notice.epoch === epoch && isTimely(notice, now);
    if (counts && notice.at > (newest.get(notice.authority)?.at ?? -1)) newest.set(notice.authority, notice);
  }
  const saying = Map.groupBy(
    [...newest.values()].flatMap(({ down }) => down),
    (id) => id,
  );
  return [...saying].flatMap(([id, by]) => (by.length >= threshold ? [id] : [])).sort(compareText);
}

function refused(reason: OutageRefusal, detail: string): VerifiedOutage {
  return { kind: 'refused', reason, detail };
}
