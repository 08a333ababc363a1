import canonicalize from 'canonicalize';
import { ProtocolError } from '../errors.ts';

/** Canonical JSON (RFC 8785). Throws `ProtocolError` for what JSON cannot carry. */
export function encodeJson(value: unknown): string {
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch (cause) {
    throw new ProtocolError('wrong-document', 'the value has no canonical JSON', { cause });
  }
  if (text === undefined) throw new ProtocolError('wrong-document', 'the value has no canonical JSON');
  return text;
}

/**
 * Reads JSON of which `encodeJson` gives the same text back, so that a value has exactly one text: no repeated or unsorted
 * member, no space, no other spelling of a number or string. The caller has bounded the length.
 */
export function decodeJson(
  text: string,
): { readonly kind: 'json'; readonly value: unknown } | { readonly kind: 'refused' } {
  try {
    const value: unknown = JSON.parse(text);
    return encodeJson(value) === text ? { kind: 'json', value } : { kind: 'refused' };
  } catch {
    return { kind: 'refused' };
  }
}
