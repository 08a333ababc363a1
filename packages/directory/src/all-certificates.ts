import { maxAllCertificatesBytes } from './notes.ts';
import type { HeldCertificate } from './peer-certificates.ts';
import type { PastCertificate } from './store/past.ts';

/**
 * Certificates as whoever verifies the past is given them, as many as are read of a list: of each authority in turn the one that ends last of those that are
 * left, so that one that has many takes no room from others.
 */
export function allCertificates(
  held: readonly HeldCertificate[],
  past: readonly PastCertificate[],
  maxBytes: number = maxAllCertificatesBytes,
): string[] {
  const all = new Map<string, PastCertificate>(past.map((one) => [one.signed, one]));
  for (const { signed, key } of held)
    all.set(signed, { signed, authority: key.name, validUntil: key.validUntil });
  const turns = new Map<string, number>();
  const inTurns = [...all.values()]
    .sort((a, b) => b.validUntil - a.validUntil)
    .map(({ authority, signed }) => {
      const turn = turns.get(authority) ?? 0;
      turns.set(authority, turn + 1);
      return { turn, signed };
    })
    .sort((a, b) => a.turn - b.turn);
  let bytes = 1;
  return inTurns.flatMap(({ signed }) => {
    bytes += Buffer.byteLength(JSON.stringify(signed)) + 1;
    return bytes > maxBytes ? [] : [signed];
  });
}
