import type { Fragment } from '@postern/protocol/envelope';
import { join } from '@postern/protocol/envelope';
import { type HeaderField, parseHeader } from '@postern/protocol/sealed';
import { fieldName, type WriteReturnField } from '../report/field.ts';

export interface MessageContext {
  readonly domain: string;
  readonly findMailbox: (recipient: string) => string | undefined;
  readonly returnField: WriteReturnField;
}

export type Message =
  | { readonly kind: 'message'; readonly local: string; readonly bytes: Uint8Array }
  /** `unjoinable`: what the fragments make is no message that fields can stand in front of. */
  | { readonly kind: 'unknown-mailbox' | 'unjoinable' };

// spec envelope 3.3
/** The sealed message behind the trace fields of its delivery (RFC 5321 section 4.4). */
export function messageFrom(
  fragments: readonly Fragment[],
  { domain, findMailbox, returnField }: MessageContext,
): Message {
  const [first] = fragments;
  const local = first === undefined ? undefined : findMailbox(first.recipient);
  if (local === undefined) return { kind: 'unknown-mailbox' };
  const joined = join(fragments);
  const fields = joined.kind === 'joined' ? headerOf(joined.sealed) : undefined;
  if (joined.kind !== 'joined' || fields === undefined) return { kind: 'unjoinable' };
  const trace = `Return-Path: <>\r\nDelivered-To: ${local}@${domain}\r\n`;
  const attested = attestedBy(fragments);
  const known =
    attested === undefined
      ? ''
      : `Authentication-Results: ${domain}; dkim=pass header.d=${attested}\r\n${returnField(fragments, attested)}`;
  const parts = [Buffer.from(`${trace}${known}`, 'latin1'), ...unclaimed(joined.sealed, fields)];
  return { kind: 'message', local, bytes: Buffer.concat(parts) };
}

/** Which domain answers for the message (RFC 8601), if one signed every carriage that brought a part of it. */
function attestedBy(fragments: readonly Fragment[]): string | undefined {
  const [attested = '', ...others] = new Set(
    fragments.map((fragment) => Buffer.from(fragment.attestation).toString('latin1')),
  );
  return attested === '' || others.length > 0 ? undefined : attested;
}

/**
 * The fields that a message begins with. Undefined unless every program reads the same ones, in front of which others can stand: at
 * least one, in whole lines of RFC 5322. There need be no body, nor the empty line in front of one (RFC 5322 section 3.5).
 */
function headerOf(sealed: Uint8Array): readonly HeaderField[] | undefined {
  const header = parseHeader(sealed);
  if (header.kind === 'refused' || header.fields.length === 0) return undefined;
  const lines = view(sealed).toString('latin1', 0, header.bodyAt).split('\r\n');
  const whole = lines.at(-1) === '' && lines.every((line) => line.length <= maxLineOctets);
  return whole ? header.fields : undefined;
}

/** Without what its author wrote in the gateway's name (RFC 8601 section 5): only the gateway says where a message went, who answers for it, and how to complain. */
function unclaimed(sealed: Uint8Array, fields: readonly HeaderField[]): Uint8Array[] {
  const kept = fields.filter(({ name }) => !gatewayFields.has(name.toLowerCase()));
  const rest = sealed.subarray(fields.at(-1)?.end ?? 0);
  return [...kept.map(({ start, end }) => sealed.subarray(start, end)), rest];
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

const gatewayFields: ReadonlySet<string> = new Set([
  'return-path',
  'delivered-to',
  'authentication-results',
  fieldName.toLowerCase(),
]);

/** Without the line's CRLF (RFC 5322 section 2.1.1). */
const maxLineOctets = 998;
