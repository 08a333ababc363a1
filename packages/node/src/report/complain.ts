import { complaint } from '@postern/protocol/report';
import type { Counters, Outcome } from '../counters.ts';
import type { Spool } from '../spool.ts';
import { complaintTravelMs, openField } from './field.ts';
import { type ReportContext, toDomain } from './report.ts';

export interface ComplainContext extends Omit<ReportContext, 'epochSeconds'> {
  readonly spool: Pick<Spool, 'send'>;
  readonly counters: Counters;
  /** Secret keys of the domain, those before the present one among them. */
  readonly keys: { current(): readonly Uint8Array[] };
}

/** Whoever complains waits for it. */
const lookUpMs = 12_000;

/** What became of a complaint, and where it went. */
export type Complained =
  | { readonly kind: 'sent'; readonly domain: string }
  | { readonly kind: Exclude<Outcome<'complained'>, 'sent'> };

/**
 * Complains to the author's domain of the message that was delivered with this field's value (spec report 7). Durable when it resolves
 * `sent`.
 */
export type Complain = (value: string) => Promise<Complained>;

export function createComplain(context: ComplainContext): Complain {
  const { counters } = context;
  const complain = complainerFor(context);
  return async (value) => {
    const complained = await complain(value).catch((): Complained => ({ kind: 'later' }));
    counters.count('complained', complained.kind);
    return complained;
  };
}

function complainerFor(context: ComplainContext): Complain {
  const { clock, spool, keys } = context;
  const travel = { ...context, expiryMs: Math.min(context.expiryMs, complaintTravelMs) };
  return async (value) => {
    const field = openField(keys.current(), value);
    if (field === undefined) return { kind: 'unknown' };
    if (field.expires * 1_000 <= clock.now()) return { kind: 'expired' };
    const made = await toDomain({ ...field, data: complaint }, travel, AbortSignal.timeout(lookUpMs));
    if (made.kind !== 'report') return { kind: made.kind === 'none' ? 'no-domain' : 'later' };
    await spool.send(made.relay);
    return { kind: 'sent', domain: field.domain };
  };
}
