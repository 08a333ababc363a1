import { formatNote, type NoteSigner, parseNote, signText } from '../codec/note.ts';
import {
  decodeCheckpoint,
  encodeCheckpoint,
  type LogHead,
  logOrigin,
  maxCheckpointLength,
} from '../log/index.ts';
import { checkThreshold, type Shortage, type Trust } from './trust.ts';

export type CheckpointRefusal = 'malformed' | 'bad-signature' | Shortage;

export type VerifiedCheckpoint =
  | {
      readonly kind: 'checkpoint';
      readonly head: LogHead;
      /** Whose it is. */
      readonly authority: string;
    }
  | { readonly kind: 'refused'; readonly reason: CheckpointRefusal; readonly detail: string };

/** How long an authority's log is and its root, as a note that it signs (C2SP tlog-checkpoint; spec log 4). */
export function signCheckpoint(head: LogHead, signer: NoteSigner): string {
  const text = encodeCheckpoint(logOrigin(signer.name), head);
  return formatNote({ text, signatures: [signText(text, signer)] });
}

/** Who may have signed a checkpoint, and when it is read, in Unix seconds. */
export interface CheckpointReader extends Omit<Trust, 'threshold'> {
  readonly now: number;
}

/** Reads a checkpoint that one of the authorities has signed, of its own log. Throws only for a trust that cannot hold. */
export function verifyCheckpoint(signed: string, { now, ...reader }: CheckpointReader): VerifiedCheckpoint {
  const note = parseNote(signed, maxCheckpointLength);
  if (note === undefined) return refused('malformed', 'it is no signed note');
  const signatures = checkThreshold(note, { ...reader, threshold: 1 }, now);
  if (signatures.kind === 'refused') return signatures;
  const checkpoint = decodeCheckpoint(note.text);
  if (checkpoint === undefined) return refused('malformed', 'it is no checkpoint');
  const { origin, ...head } = checkpoint;
  const authority = signatures.by.find((name) => logOrigin(name) === origin);
  if (authority === undefined)
    return refused('too-few-signatures', `${origin} is the log of nobody who signed it`);
  return { kind: 'checkpoint', head, authority };
}

function refused(reason: CheckpointRefusal, detail: string): VerifiedCheckpoint {
  return { kind: 'refused', reason, detail };
}
