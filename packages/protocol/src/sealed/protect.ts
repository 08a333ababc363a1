import { concat } from '../codec/bytes.ts';
import { fieldsNamed, type HeaderField, hasRepeated, octets, parseHeader } from '../codec/mime-header.ts';
import { parameterOf, parseMediaType } from '../codec/mime-type.ts';

/** Name and value of a field outside the encryption. */
export type OuterField = readonly [name: string, value: string];

// spec sealed 4
/**
 * The payload of RFC 9788 section 5.2: the message itself, whose header says in addition that it is protected, and what the outer header shows.
 * `message` has the form that `prepare` makes.
 */
export function protect(
  message: Uint8Array,
  fields: readonly HeaderField[],
  outer: readonly OuterField[],
): Uint8Array {
  const shown = outer.map(([name, value]) => `HP-Outer: ${name}: ${value}\r\n`).join('');
  const [type] = fieldsNamed(fields, 'content-type');
  if (type === undefined) return concat(octets(`${shown}Content-Type:${addedType}\r\n`), message);
  const at = type.start + type.name.length + 1 + type.value.length;
  return concat(octets(shown), message.subarray(0, at), octets(mark), message.subarray(at));
}

/** Whether a message bears the marks of protection already: `protect` could not be undone. */
export function isMarked(fields: readonly HeaderField[]): boolean {
  return (
    fieldsNamed(fields, 'hp-outer').length > 0 ||
    fieldsNamed(fields, 'content-type').some(({ value }) => value.endsWith(mark) || mayHaveHp(value))
  );
}

/** What is no mark to this program, another may take for one; what has no reading here has one there. */
function mayHaveHp(value: string): boolean {
  const media = parseMediaType(value);
  return media === undefined
    ? /\bhp\b/i.test(value)
    : media.parameters.some(({ name }) => /^hp(?:\*|$)/.test(name));
}

export type Unprotected =
  | {
      readonly kind: 'message';
      readonly message: Uint8Array;
      /** How the payload says that its header is protected: `none`: its header is that of a MIME entity alone. */
      readonly protection: 'cipher' | 'clear' | 'none';
    }
  | { readonly kind: 'refused'; readonly reason: 'malformed-content' };

// spec sealed 4.2
/** The message that `protect` got; of what others protected, the payload without its marks. */
export function unprotect(payload: Uint8Array): Unprotected {
  const header = parseHeader(payload);
  if (header.kind === 'refused' || hasRepeated(header.fields, ambiguousFields))
    return { kind: 'refused', reason: 'malformed-content' };
  const { fields } = header;
  const [type] = fieldsNamed(fields, 'content-type');
  const marked = type === undefined ? undefined : unmark(type.value);
  if (type === undefined || marked === undefined)
    return { kind: 'message', message: payload, protection: 'none' };
  const rewritten = fields.flatMap((field): Uint8Array[] => {
    if (field === type) return marked.value === undefined ? [] : [rewrite(payload, type, marked.value)];
    return field.name.toLowerCase() === 'hp-outer' ? [] : [payload.subarray(field.start, field.end)];
  });
  const rest = payload.subarray(fields.at(-1)?.end ?? 0);
  return { kind: 'message', message: concat(...rewritten, rest), protection: marked.protection };
}

/** Fields whose second occurrence makes two programs see two messages. */
export const ambiguousFields = ['from', 'mime-version', 'content-type', 'content-transfer-encoding'] as const;

interface Unmarked {
  /** Undefined: the whole field came with the mark. */
  readonly value: string | undefined;
  readonly protection: 'cipher' | 'clear';
}

function unmark(value: string): Unmarked | undefined {
  if (value === addedType) return { value: undefined, protection: 'cipher' };
  if (value.endsWith(mark)) return { value: value.slice(0, -mark.length), protection: 'cipher' };
  const protection = hpOf(value);
  return protection === undefined ? undefined : { value: withoutHp(value), protection };
}

/** Thunderbird knows the older of the two parameters and shows the subject by it. */
const mark = ';\r\n protected-headers="v1"; hp="cipher"';

/**
 * For a message without a Content-Type, which is a text in US-ASCII (RFC 2045 section 5.2). On one line: marking a field that was there never
 * gives this.
 */
const addedType = ' text/plain; protected-headers="v1"; hp="cipher"';

function hpOf(value: string): 'cipher' | 'clear' | undefined {
  const media = parseMediaType(value);
  const hp = media === undefined ? undefined : parameterOf(media, 'hp')?.toLowerCase();
  return hp === 'cipher' || hp === 'clear' ? hp : undefined;
}

function withoutHp(value: string): string {
  const hp = parseMediaType(value)?.parameters.find(({ name }) => name === 'hp');
  return hp === undefined ? value : value.slice(0, hp.start) + value.slice(hp.end);
}

/** The field with another value; its line end stays as it is. */
function rewrite(payload: Uint8Array, field: HeaderField, value: string): Uint8Array {
  const valueAt = field.start + field.name.length + 1;
  return concat(
    payload.subarray(field.start, valueAt),
    octets(value),
    payload.subarray(valueAt + field.value.length, field.end),
  );
}
