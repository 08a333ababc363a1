/**
 * Authenticated broadcast (Dolev and Strong, "Authenticated algorithms for Byzantine agreement", SIAM J. Comput. 12(4), 1983): what its
 * sender and as many others have signed as rounds have begun is taken, signed and passed on. After one round more than may be faulty all
 * that are not faulty have taken the same, whatever the sender and the others do.
 */
export interface Broadcast {
  /** Whom it is from. */
  readonly sender: string;
  /**
   * Whether a value is new and in time, by its digest, with the names of those who have signed it, in a round from 1 on: it is to be taken, signed
   * and passed on. Two values are enough to know that the sender is faulty, and no third one is taken.
   */
  admits(digest: string, signedBy: readonly string[], round: number): boolean;
  take(digest: string): void;
  /** What was taken, in the order in which it came: one value, or none, or two that prove that the sender said different things. */
  readonly taken: readonly string[];
}

export function createBroadcast(sender: string): Broadcast {
  const taken: string[] = [];
  return {
    sender,
    taken,
    admits(digest, signedBy, round) {
      const signers = new Set(signedBy);
      if (!signers.has(sender) || signers.size < round) return false;
      return taken.length < 2 && !taken.includes(digest);
    },
    take: (digest) => void taken.push(digest),
  };
}
