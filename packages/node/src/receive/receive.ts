import {
  carriageLength,
  type Decision,
  defaultSmtpLimits,
  formatMailbox,
  type Mailbox,
  type Message,
  maxTraceOctets,
  openCarriage,
  parseMailbox,
  type SmtpServer,
  type SmtpServerOptions,
} from '@postern/mail';
import type { Log, LogFields } from '@postern/runtime';
import type { Counters } from '../counters.ts';
import { takeMail } from '../listening.ts';
import { codeOf } from '../loop.ts';
import type { TakeForeign } from '../report/foreign.ts';
import type { Admit } from '../senders.ts';
import type { Unit, UnitKind } from '../spool.ts';
import type { Stage } from '../stage.ts';

export interface ReceiveContext {
  readonly log: Log;
  readonly counters: Counters;
  readonly packetBytes: number;
  readonly listen: { readonly host: string; readonly port: number };
  readonly ehlo: string;
  readonly tls: { readonly key: string; readonly cert: string };
  /** Domains whose `secure` mailbox takes carriages. */
  readonly domains: readonly string[];
  /** Whether a mail server of one's own is at this address, which has accepted already what it hands on. */
  readonly isBehind: (address: string) => boolean;
  /** What it tells whoever connects, beside what SMTP has to. */
  readonly offers?: () => readonly string[];
  /** What a domain's gateway does besides. */
  readonly gateway?: {
    /** The domain that signed a carriage, if one did; `temporary` when that cannot be found out now. */
    readonly attest: (message: Uint8Array) => Promise<Attestation>;
    readonly admit: Admit;
    readonly takeForeign: TakeForeign;
  };
}

export type Attestation =
  /** `author`: the mailbox in `From`, which the signature covers; an account's own (spec carriage 6), else `secure`. */
  | { readonly kind: 'attested'; readonly domain: string; readonly author: Mailbox }
  | { readonly kind: 'unattested' }
  | { readonly kind: 'temporary' };

/** Where units of each kind go; none for a kind that the node's roles do not take. */
export type Lines = Readonly<Partial<Record<UnitKind, Stage<Unit>>>>;

/**
 * Takes carriages over SMTP. The answer says only whether the carriage is well formed and its unit durable, never whether a
 * layer opens: 250 comes once the next stage has resolved, or for what is dropped.
 *
 * A mail server in front writes to the return path of what is refused for good. A stranger's is as good as anybody's, so that is
 * dropped instead. A `secure` mailbox is told: who forges one reaches a gateway, which drops reports that name nothing of its own. So is the
 * author of what the domain that signed it is denied for.
 */
export function receive(context: ReceiveContext, lines: Lines): Promise<SmtpServer> {
  const { log, counters, packetBytes, domains, gateway } = context;
  const mailboxes = new Set(domains.map((domain) => `secure@${domain}`));
  let storing = true;
  const noteStoring = (works: boolean, fields: LogFields = {}): void => {
    if (works === storing) return;
    storing = works;
    if (works) log.info('units are stored again');
    else log.error('units cannot be stored', fields);
  };

  const decide = async (message: Message): Promise<Decision> => {
    const { bytes } = message;
    const carriage = openCarriage(bytes, packetBytes);
    if (carriage.kind === 'refused')
      return carriage.reason === 'loop' ? refused(message, 'loop') : takeReport(message);
    const kind = kindOf(carriage.bytes);
    const line = lines[kind];
    if (line === undefined) return refused(message, 'wrong-kind');
    const attested = kind === 'exit' ? await attest(bytes) : unattested;
    if (attested.kind === 'temporary') return deferred('cannot look up who signed it, try again later');
    if (attested.kind === 'attested' && gateway !== undefined) {
      const admission = gateway.admit(attested.domain, bytes.length);
      if (admission === 'denied') return refused(message, 'denied', attested.author);
      if (admission === 'limited') return limited();
    }
    // spec carriage 6.6
    const signed = attested.kind === 'attested' && carriage.kind === 'carriage';
    const signer = signed ? { attested: attested.domain } : {};
    const stored = await durably(() => line.take({ kind, bytes: carriage.bytes, ...signer }));
    return stored === 'failed' ? deferred(notNow) : accepted('accepted');
  };

  const attest = (message: Uint8Array): Promise<Attestation> =>
    gateway === undefined ? Promise.resolve(unattested) : gateway.attest(message);

  /** No carriage: perhaps what another mail server says of one that went out. */
  const takeReport = async (message: Message): Promise<Decision> => {
    if (message.from !== '' || gateway === undefined) return refused(message, 'malformed');
    const taken = await durably(() => gateway.takeForeign(message.bytes));
    if (taken === 'failed') return deferred(notNow);
    return taken ? accepted('reported') : refused(message, 'malformed');
  };

  const durably = async <T>(store: () => Promise<T>): Promise<T | 'failed'> => {
    try {
      const stored = await store();
      noteStoring(true);
      return stored;
    } catch (error) {
      noteStoring(false, { code: codeOf(error) });
      return 'failed';
    }
  };

  const accepted = (outcome: 'accepted' | 'reported' | 'discarded'): Decision => {
    counters.count('received', outcome);
    return { kind: 'accepted' };
  };
  const deferred = (text: string): Decision => {
    counters.count('received', 'deferred');
    return { kind: 'deferred', text };
  };
  const limited = (): Decision => {
    counters.count('received', 'limited');
    const text = 'too much from that domain, try again later';
    return { kind: 'deferred', code: 452, enhanced: '4.7.1', text };
  };
  const refused = (envelope: Envelope, why: keyof typeof refusals, author?: Mailbox): Decision => {
    if (comesBackToStranger(envelope, author)) return accepted('discarded');
    counters.count('received', why);
    return { kind: 'rejected', ...refusals[why] };
  };

  const options: SmtpServerOptions = {
    listen: context.listen,
    hostname: context.ehlo,
    tls: context.tls,
    maxBytes: mostOctets(packetBytes, gateway !== undefined),
    maxRecipients: 1,
    limits: defaultSmtpLimits,
    // A mail server in front takes any case of it for the same.
    accepts: (mailbox, handedOn) => mailboxes.has(handedOn ? mailbox.toLowerCase() : mailbox),
    handsOn: context.isBehind,
    ...(context.offers && { offers: context.offers }),
    onUnreadable: (envelope) => (comesBackToStranger(envelope) ? accepted('discarded') : undefined),
    onMessage: decide,
    onFault: (fault) => log.error('a carriage met a fault', { code: codeOf(fault) }),
  };
  return takeMail(options, '`listen` in [smtp]');
}

type Envelope = Pick<Message, 'from' | 'handedOn'>;

/** Whether a refusal would be reported to somebody who need not have sent anything: the author is known where their domain has signed it. */
function comesBackToStranger({ from, handedOn }: Envelope, author?: Mailbox): boolean {
  const returnPath = parseMailbox(from);
  if (!handedOn || from === '' || returnPath?.local === 'secure') return false;
  return (
    author === undefined || returnPath === undefined || formatMailbox(returnPath) !== formatMailbox(author)
  );
}

const refusals = {
  malformed: { code: 554, enhanced: '5.6.0', text: 'this is no carriage' },
  loop: { code: 554, enhanced: '5.4.6', text: 'too many servers have passed it on' },
  'wrong-kind': { code: 554, enhanced: '5.7.1', text: 'this node does not take that' },
  denied: { code: 550, enhanced: '5.7.1', text: 'nothing is taken from that domain' },
} as const;

const unattested = { kind: 'unattested' } as const;
const notNow = 'cannot store it now, try again later';

/** What other mail servers put around a carriage that they return whole. */
const reportOctets = 65_536;

/** Octets of the longest message that is taken, and announced as SIZE (spec carriage 4.3, report 5). */
function mostOctets(packetBytes: number, takesReports: boolean): number {
  return carriageLength(packetBytes) + maxTraceOctets + (takesReports ? reportOctets : 0);
}

/** Exit units start with a byte that is no packet's suite (spec packet 10). */
function kindOf(unit: Uint8Array): UnitKind {
  return unit[0] === 0x81 || unit[0] === 0x82 ? 'exit' : 'packet';
}
