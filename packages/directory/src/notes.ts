import { maxCertificateLength } from '@postern/protocol/consensus';

/** Longest list of notices of outages that is read, bytes. */
export const maxOutagesBytes = 4_194_304;

/** Longest list of certificates of past keys too, bytes: a hundred years of monthly keys of nine authorities. */
export const maxAllCertificatesBytes = 67_108_864;

/** Certificates of such a list that are verified: as many of the longest as it has room for. */
export const mostAllCertificates: number = maxAllCertificatesBytes / maxCertificateLength;

/** The notes of a JSON list, each no longer than so many characters; undefined for anything else. */
export function notesIn(text: string, maxLength: number): string[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isOne = (item: unknown): item is string => typeof item === 'string' && item.length <= maxLength;
  return Array.isArray(value) && value.every(isOne) ? value : undefined;
}
