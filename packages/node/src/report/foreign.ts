import { readDsn } from '@postern/mail';
import type { Counters } from '../counters.ts';
import type { Spool } from '../spool.ts';
import type { ComposeLetter } from './letter.ts';

export interface ForeignContext {
  readonly spool: Spool;
  readonly counters: Counters;
  readonly composeLetter: ComposeLetter;
}

/**
 * Takes what another mail server reports to the null return path (spec report 5). False for what is no report. What names no carriage
 * that went out from here is dropped, and the server that sent it hears nothing of that. Durable when it resolves.
 */
export type TakeForeign = (message: Uint8Array) => Promise<boolean>;

export function createTakeForeign({ spool, counters, composeLetter }: ForeignContext): TakeForeign {
  return async (message) => {
    const dsn = readDsn(message);
    if (dsn.kind === 'no-dsn') {
      counters.count('returned', 'malformed');
      return false;
    }
    const { action, status, diagnostic } = dsn;
    if (action === 'failed' || action === 'delayed') {
      for (const carriage of dsn.ids) {
        const found = await spool.returns.find({ carriage });
        if (found === undefined) continue;
        const failure = { status, diagnostic };
        const told = await spool.returns.tell(
          composeLetter(found, { kind: action, failure, domain: undefined }),
        );
        counters.count('returned', told);
        return true;
      }
    }
    counters.count('returned', action === 'failed' || action === 'delayed' ? 'unknown-token' : 'no-failure');
    return true;
  };
}
