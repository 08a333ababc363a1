import { ByteWriter, concat, decodeBytes } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { isDomain } from '../packet/domain.ts';
import type { Geometry } from '../packet/geometry.ts';
import { surbBytes } from '../packet/surb.ts';

/** How the recipient's gateway can report to an author whom it does not know. */
export type ReturnInfo =
  | { readonly kind: 'none' }
  /** A single-use reply block (spec packet 9) whose exit is the author's domain. */
  | { readonly kind: 'surb'; readonly surb: Uint8Array }
  | {
      readonly kind: 'domain';
      /** The author's domain, lower case. */
      readonly domain: string;
      /** 16 bytes by which that domain's gateway knows the author. */
      readonly token: Uint8Array;
      /** 32 bytes: what the report is sealed under. */
      readonly key: Uint8Array;
      /** Unix seconds, a whole hour: until then that domain's gateway knows the token. */
      readonly expires: number;
    };

export type DecodedReturnInfo =
  | ReturnInfo
  | { readonly kind: 'refused'; readonly reason: 'malformed' | 'wrong-domain' };

// spec report 2
/** Throws `ProtocolError` `wrong-encoding` for what `decodeReturnInfo` would refuse. */
export function encodeReturnInfo(g: Geometry, info: ReturnInfo): Uint8Array {
  const encoded = info.kind === 'domain' && !isHour(info.expires) ? undefined : write(info);
  if (encoded === undefined || decodeReturnInfo(g, encoded).kind !== info.kind)
    throw new ProtocolError('wrong-encoding', 'the return information cannot be written');
  return encoded;
}

/** Exactly one byte string gives each. No input makes it throw. */
export function decodeReturnInfo(g: Geometry, bytes: Uint8Array): DecodedReturnInfo {
  if (bytes.length === 0) return { kind: 'none' };
  const rest = bytes.subarray(1);
  switch (bytes[0] ?? 0) {
    case kinds.surb:
      return rest.length === surbBytes(g) ? { kind: 'surb', surb: rest.slice() } : malformed;
    case kinds.domain: {
      const parts = decodeBytes(rest, (reader) => ({
        domain: String.fromCharCode(...reader.vector8()),
        token: reader.bytes(tokenBytes).slice(),
        key: reader.bytes(reportKeyBytes).slice(),
        expires: reader.u32() * secondsPerHour,
      }));
      if (parts === undefined) return malformed;
      return isDomain(parts.domain)
        ? { kind: 'domain', ...parts }
        : { kind: 'refused', reason: 'wrong-domain' };
    }
    default:
      return malformed;
  }
}

export const tokenBytes = 16;
export const reportKeyBytes = 32;
/** How long an author's gateway knows a token from its submission on, at least. */
export const tokenLifeSeconds: number = 37 * 86_400;

function write(info: ReturnInfo): Uint8Array {
  switch (info.kind) {
    case 'none':
      return new Uint8Array();
    case 'surb':
      return concat(Uint8Array.of(kinds.surb), info.surb);
    case 'domain':
      return new ByteWriter()
        .u8(kinds.domain)
        .vector8(new TextEncoder().encode(info.domain))
        .bytes(info.token)
        .bytes(info.key)
        .u32(info.expires / secondsPerHour)
        .finish();
  }
}

export const secondsPerHour = 3_600;

/** Whether four bytes can say it in hours. */
export function isHour(seconds: number): boolean {
  const hours = seconds / secondsPerHour;
  return Number.isInteger(hours) && hours >= 0 && hours <= 0xffff_ffff;
}

const kinds = { surb: 1, domain: 2 } as const;
const malformed = { kind: 'refused', reason: 'malformed' } as const;
