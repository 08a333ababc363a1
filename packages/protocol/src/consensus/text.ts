import { encodeHex } from '../codec/hex.ts';
import { decodeJson, encodeJson } from '../codec/json.ts';
import { ProtocolError } from '../errors.ts';
import { sha256 } from '../primitives/index.ts';
import type { Shape } from './shape.ts';

/** A kind of signed document: its first line, and the shape of what follows it (spec consensus 2). */
export interface Form<T> {
  /** For example `postern.consensus/v1`. */
  readonly origin: string;
  readonly shape: Shape<T>;
}

/** The text that is signed: origin, newline, canonical JSON, newline. Throws `ProtocolError` for a value that is no such document. */
export function encodeText<T>({ origin, shape }: Form<T>, value: T): string {
  return `${origin}\n${encodeJson(shape(value, ''))}\n`;
}

export type DecodedText<T> =
  | { readonly kind: 'document'; readonly value: T }
  | { readonly kind: 'refused'; readonly reason: 'malformed' | 'unknown-version'; readonly detail: string };

/** The inverse of `encodeText`: every other text is refused. The caller has bounded the length. */
export function decodeText<T>({ origin, shape }: Form<T>, text: string): DecodedText<T> {
  const end = text.indexOf('\n');
  const first = text.slice(0, end);
  if (first !== origin) {
    const stem = origin.slice(0, origin.lastIndexOf('/'));
    const reason = first.startsWith(`${stem}/v`) ? 'unknown-version' : 'malformed';
    return { kind: 'refused', reason, detail: `its first line is not ${origin}` };
  }
  if (!text.endsWith('\n'))
    return { kind: 'refused', reason: 'malformed', detail: 'it does not end in a newline' };
  const json = decodeJson(text.slice(end + 1, -1));
  if (json.kind === 'refused')
    return { kind: 'refused', reason: 'malformed', detail: 'it is not one line of canonical JSON' };
  try {
    return { kind: 'document', value: shape(json.value, '') };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { kind: 'refused', reason: 'malformed', detail: error.message };
  }
}

/** Hex SHA-256 of a text's UTF-8. */
export function digestOf(text: string): string {
  return encodeHex(sha256(new TextEncoder().encode(text)));
}
