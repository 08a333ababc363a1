import { type Exchanges, type LookupTxt, verifyDkim } from '@postern/mail';
import type { Clock } from '@postern/runtime';
import type { Attestation } from './receive/receive.ts';
import type { FoundDomain } from './report/report.ts';

/** What a node asks DNS about domains that are not its own. */
export interface Names {
  readonly lookupTxt: LookupTxt;
  readonly findDomain: (domain: string) => Promise<FoundDomain>;
  readonly exchanges: (domain: string, tls: 'require' | 'prefer') => Promise<Exchanges>;
}

/** Which domain signed a carriage (spec submission 5). Nobody has, for a node that asks no DNS. */
export function createAttest(
  names: Names | undefined,
  clock: Clock,
): (message: Uint8Array) => Promise<Attestation> {
  return async (message) => {
    if (names === undefined) return { kind: 'unattested' };
    const verified = await verifyDkim(message, {
      lookupTxt: names.lookupTxt,
      now: new Date(clock.now()),
    });
    return verified.kind === 'unattested' ? { kind: 'unattested' } : verified;
  };
}
