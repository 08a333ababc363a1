import type { Clock } from '@postern/runtime';
import { createRate, type RateLimits } from './rate.ts';

/** Whose mail a gateway takes that another domain answers for. What comes through mixes nobody answers for: it is not judged here. */
export interface SenderPolicy {
  /** When given, no other domain is taken from. */
  readonly accept: readonly string[] | undefined;
  readonly deny: readonly string[];
  /** For each domain. */
  readonly limits: RateLimits;
}

export type Admission = 'admitted' | 'denied' | 'limited';

/** Judges one carriage by the domain that signed it. A listed name stands for all below it as well. */
export type Admit = (domain: string, bytes: number) => Admission;

export function createAdmit({ accept, deny, limits }: SenderPolicy, clock: Pick<Clock, 'now'>): Admit {
  const rate = createRate(limits, clock);
  return (domain, bytes) => {
    if (deny.some((name) => covers(name, domain))) return 'denied';
    if (accept !== undefined && !accept.some((name) => covers(name, domain))) return 'denied';
    return rate.take(domain, bytes) ? 'admitted' : 'limited';
  };
}

function covers(name: string, domain: string): boolean {
  return domain === name || domain.endsWith(`.${name}`);
}
