import { decodeBase64, encodeBase64 } from '../codec/base64.ts';
import { decodeHex, encodeHex } from '../codec/hex.ts';
import { type LogHead, maxLogSize } from './range.ts';

/** Longest signed checkpoint, in UTF-16 code units. */
export const maxCheckpointLength = 65_536;

/** What identifies the log of an authority: where it is, without a scheme (C2SP tlog-checkpoint). */
export function logOrigin(authority: string): string {
  return `${authority}/v1/log`;
}

/** The text of a checkpoint: origin, size and root in base64, each on a line (C2SP tlog-checkpoint). */
export function encodeCheckpoint(origin: string, { size, root }: LogHead): string {
  return `${origin}\n${size}\n${encodeBase64(decodeHex(root) ?? new Uint8Array())}\n`;
}

/** The inverse of `encodeCheckpoint`; undefined for anything else, extension lines too. */
export function decodeCheckpoint(text: string): (LogHead & { readonly origin: string }) | undefined {
  const [, origin, digits, encoded] = /^([^\n]+)\n(0|[1-9]\d{0,9})\n([^\n]{44})\n$/.exec(text) ?? [];
  const root = decodeBase64(encoded ?? '');
  const size = Number(digits);
  if (origin === undefined || root?.length !== 32 || size > maxLogSize) return undefined;
  return { origin, size, root: encodeHex(root) };
}
