import { keyEpochsHeld } from '@postern/protocol/consensus';
import type { DomainRecord } from '@postern/protocol/dns';
import { type Fragment, loadCertificate, sealEnvelope } from '@postern/protocol/envelope';
import { encodeEnvelopeUnit, type Geometry, packetEpoch, useSurb } from '@postern/protocol/packet';
import {
  decodeReturnInfo,
  encodeReport,
  longestDiagnostic,
  ProtocolError,
  type Report,
  type ReturnField,
  type ReturnInfo,
  sealReport,
} from '@postern/protocol/report';
import type { Clock, Random } from '@postern/runtime';
import type { Next, Relay } from '../spool.ts';

export interface ReportContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly geometry: Geometry;
  readonly epochSeconds: number;
  /** How long a report is kept that cannot be handed over. */
  readonly expiryMs: number;
  /** What an author's domain publishes of itself. */
  readonly findDomain: (domain: string, signal: AbortSignal) => Promise<FoundDomain>;
}

export type FoundDomain =
  | { readonly kind: 'record'; readonly record: Pick<DomainRecord, 'certificate' | 'tls'> }
  /** It takes no part: no report can reach it. */
  | { readonly kind: 'none' }
  | { readonly kind: 'temporary' };

/** Why a message is not delivered, as SMTP puts it. */
export interface Failure {
  /** Enhanced status code of class 4 or 5 (RFC 3463). */
  readonly status: string;
  /** What the mail system said; nothing when it was not asked. */
  readonly diagnostic?: string;
}

export type Reported =
  | { readonly kind: 'report'; readonly relay: Relay }
  /** Nobody can be told, or nobody may be (spec report 6). */
  | { readonly kind: 'none' }
  /** Not now: the author's domain could not be looked up. */
  | { readonly kind: 'later' };

/**
 * Makes what tells an author, whom this gateway does not know, that a message has failed (spec report 2). Keeps nothing. `signal` ends
 * the look-up of the author's domain: it is `later` then.
 */
export type Reporter = (fragment: Fragment, failure: Failure, signal: AbortSignal) => Promise<Reported>;

export function createReporter(context: ReportContext): Reporter {
  const make = reporterFor(context);
  // What an author wrote must not stop the stage that works on it: a report that cannot be made is tried again like others.
  return (fragment, failure, signal) => make(fragment, failure, signal).catch(() => ({ kind: 'later' }));
}

function reporterFor(context: ReportContext): Reporter {
  return async (fragment, failure, signal) => {
    const info = decodeReturnInfo(context.geometry, fragment.returnInfo);
    const report = reportOf(fragment, failure, context.clock);
    switch (info.kind) {
      case 'surb':
        return bySurb(info.surb, report, context);
      case 'domain': {
        const attested = Buffer.from(fragment.attestation).toString('latin1');
        return attested === info.domain ? byDomain(info, report, context, signal) : { kind: 'none' };
      }
      case 'none':
      case 'refused':
        return { kind: 'none' };
    }
  };
}

function reportOf({ recipient }: Fragment, { status, diagnostic = '' }: Failure, clock: Clock): Report {
  const made = Math.floor(clock.now() / 3_600_000) * 3_600;
  const said = diagnostic.replace(/[^\x20-\x7e]+/g, ' ').slice(0, longestDiagnostic);
  return { action: 'failed', made, status, recipient, diagnostic: said };
}

// spec report 2.1
function bySurb(surb: Uint8Array, report: Report, context: ReportContext): Reported {
  const { clock, geometry, epochSeconds, expiryMs } = context;
  const payload = new Uint8Array(geometry.payloadBytes);
  payload.set(encodeReport(report));
  const reply = replyBy(geometry, surb, payload);
  if (reply === undefined) return { kind: 'none' };
  const { firstNode, packet } = reply;
  const now = clock.now();
  const keysEndMs = ((packetEpoch(packet) ?? 0) + keyEpochsHeld + 1) * epochSeconds * 1_000;
  if (keysEndMs <= now) return { kind: 'none' };
  const next = { kind: 'node', id: Buffer.from(firstNode).toString('hex') } as const;
  const expiresMs = Math.min(now + expiryMs, keysEndMs);
  return { kind: 'report', relay: { next, dueMs: now, expiresMs, bytes: packet } };
}

/** Nothing when what the author gave is no reply block of this network. */
function replyBy(
  geometry: Geometry,
  surb: Uint8Array,
  payload: Uint8Array,
): ReturnType<typeof useSurb> | undefined {
  try {
    return useSurb(geometry, surb, payload);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

// spec report 2.2
function byDomain(
  { domain, token, key }: Extract<ReturnInfo, { kind: 'domain' }>,
  report: Report,
  context: ReportContext,
  signal: AbortSignal,
): Promise<Reported> {
  return toDomain({ domain, token, data: sealReport(key, report, context.random) }, context, signal);
}

/** Makes what tells an author's domain something about the message of a token. Throws the signal's reason. */
export async function toDomain(
  { domain, token, data }: Pick<ReturnField, 'domain' | 'token'> & { readonly data: Uint8Array },
  { clock, random, geometry, expiryMs, findDomain }: Omit<ReportContext, 'epochSeconds'>,
  signal: AbortSignal,
): Promise<Reported> {
  const found = await findDomain(domain, signal);
  if (found.kind !== 'record') return { kind: found.kind === 'none' ? 'none' : 'later' };
  const certificate = await loadCertificate(found.record.certificate, new Date(clock.now())).catch(
    () => undefined,
  );
  if (certificate === undefined) return { kind: 'none' };
  const fragment: Fragment = {
    recipient: `secure@${domain}`,
    setId: token,
    index: 0,
    k: 1,
    n: 1,
    totalBytes: data.length,
    expires: Math.ceil((clock.now() + expiryMs) / 3_600_000) * 3_600,
    returnInfo: new Uint8Array(),
    attestation: new Uint8Array(),
    data,
  };
  const envelope = await sealEnvelope(fragment, certificate, geometry.payloadBytes);
  const next: Next = {
    kind: 'domain',
    domain,
    own: true,
    ...(found.record.tls === 'prefer' ? { tlsOptional: true } : {}),
  };
  return {
    kind: 'report',
    relay: {
      next,
      dueMs: clock.now(),
      expiresMs: clock.now() + expiryMs,
      bytes: encodeEnvelopeUnit(geometry, envelope, random),
    },
  };
}
