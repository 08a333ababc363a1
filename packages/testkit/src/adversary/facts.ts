import { isUtf8 } from 'node:buffer';

/** What a fact tells: the columns of the table of who may know what. */
export type FactKind =
  | 'author mailbox'
  | 'author domain'
  | 'recipient mailbox'
  | 'recipient domain'
  /** Headers and body of the message, its attachments, the keys that it is signed and encrypted with. */
  | 'content'
  /** Names of the mixes on the path, by their place on it. */
  | 'first mix'
  | 'middle mix'
  | 'last mix';

/** Something that a party may or may not know, as bytes that give it away. */
export interface Fact {
  readonly kind: FactKind;
  /** What it is, for reports: `local part`, `subject`, … */
  readonly what: string;
  readonly bytes: Uint8Array;
  /**
   * A word counts only where it stands alone: `a.test` is not found in `gamma.test`. Letters compare without case. What is
   * no word is found anywhere, byte for byte.
   */
  readonly word: boolean;
}

/** A fact made of text. It is compared without regard to case. */
export function textFact(kind: FactKind, what: string, text: string): Fact {
  return { kind, what, bytes: Buffer.from(text, 'utf8'), word: true };
}

/** A fact made of bytes: a key id, a stretch of an attachment. At least 8, so that chance does not make them. */
export function byteFact(kind: FactKind, what: string, bytes: Uint8Array): Fact {
  if (bytes.length < 8) throw new RangeError(`${what}: ${bytes.length} bytes give nothing away`);
  return { kind, what, bytes: Buffer.from(bytes), word: false };
}

/** The fact's text, when it has one. */
export function textOf({ bytes, word }: Fact): string | undefined {
  return word && isUtf8(bytes) ? Buffer.from(bytes).toString('utf8') : undefined;
}
