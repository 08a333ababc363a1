import { hkdfSync } from 'node:crypto';
import type { Fragment } from '@postern/protocol/envelope';
import type { Geometry } from '@postern/protocol/packet';
import {
  decodeReturnInfo,
  openReturnField,
  type ReturnField,
  returnFieldBytes,
  sealReturnField,
} from '@postern/protocol/report';
import type { Clock, Random } from '@postern/runtime';

export const fieldName = 'Postern-Return';

const hourMs = 3_600_000;
/** How long one can complain of a delivered message, unless the author's domain forgets before that whose it is. */
const lifeMs = 30 * 24 * hourMs;
/** How long a complaint may be on its way. */
export const complaintTravelMs: number = 5 * 24 * hourMs;

/**
 * The field, line end included, that a message made of these fragments is delivered with, for all of which the domain `attested` answers;
 * nothing when no complaint of it could be made.
 */
export type WriteReturnField = (fragments: readonly Fragment[], attested: string) => string;

export interface ReturnFieldContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly geometry: Geometry;
  /** Secret keys of the domain, the present one first. */
  readonly keys: { current(): readonly Uint8Array[] };
}

// spec report 7.1
export function createReturnFields(context: ReturnFieldContext): WriteReturnField {
  const { clock, random, geometry, keys } = context;
  return (fragments, attested) => {
    const [secretKey] = keys.current();
    const asking = attestedReturn(fragments, attested, geometry);
    if (secretKey === undefined || asking === undefined) return '';
    // The complaint's own end is on a full hour, too.
    const lastMs = asking.expires * 1_000 - complaintTravelMs - hourMs;
    const hours = Math.min(Math.ceil((clock.now() + lifeMs) / hourMs), Math.floor(lastMs / hourMs));
    const expires = hours * 3_600;
    if (expires * 1_000 <= clock.now()) return '';
    const sealed = sealReturnField(keyFrom(secretKey), { ...asking, expires }, random);
    return `${fieldName}: ${Buffer.from(sealed)
      .toString('base64')
      .replace(/.{60}(?=.)/g, '$&\r\n ')}\r\n`;
  };
}

/** Nothing for what none of the keys has sealed. */
export function openField(secretKeys: readonly Uint8Array[], value: string): ReturnField | undefined {
  const sealed = Buffer.from(value, 'base64');
  return secretKeys.map((secretKey) => openReturnField(keyFrom(secretKey), sealed)).find((one) => one);
}

/** The value of the topmost such field in a message's header; nothing when there is none of that form. */
export function findField(message: Uint8Array): string | undefined {
  const text = Buffer.from(message.buffer, message.byteOffset, message.length).toString(
    'latin1',
    0,
    longestHeader,
  );
  const header = text.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const [, folded = ''] = new RegExp(`^${fieldName}:(.*(?:\\r?\\n[ \\t].*)*)`, 'im').exec(header) ?? [];
  const value = folded.replace(/\s+/g, '');
  const wellFormed = value.length === Math.ceil(returnFieldBytes / 3) * 4 && /^[A-Za-z0-9+/]+=*$/.test(value);
  return wellFormed ? value : undefined;
}

/**
 * Whom to write to of the message, and how long they know whose it is: what all fragments that ask for reports name, if it is at the
 * domain that answers for it.
 */
function attestedReturn(
  fragments: readonly Fragment[],
  attested: string,
  geometry: Geometry,
): ReturnField | undefined {
  const asking = fragments.map(({ returnInfo }) => returnInfo).filter(({ length }) => length > 0);
  const [first] = asking;
  if (first === undefined || asking.some((one) => Buffer.compare(one, first) !== 0)) return undefined;
  const info = decodeReturnInfo(geometry, first);
  return info.kind === 'domain' && info.domain === attested
    ? { domain: info.domain, token: info.token, expires: info.expires }
    : undefined;
}

/** HKDF-SHA256 (RFC 5869) of the domain's secret key: whoever replaces that key leaves the one before its time to open. */
function keyFrom(secretKey: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secretKey, new Uint8Array(), 'postern return field', 32));
}

const longestHeader = 262_144;
