import {
  carriageLength,
  type Decision,
  defaultSmtpLimits,
  maxTraceOctets,
  openCarriage,
  type SmtpServer,
  startSmtpServer,
} from '@postern/mail';
import type { Log, LogFields } from '@postern/runtime';
import type { Counters } from '../counters.ts';
import { codeOf } from '../loop.ts';
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
}

/** Where units of each kind go; none for a kind that the node's roles do not take. */
export type Lines = Readonly<Partial<Record<UnitKind, Stage<Unit>>>>;

/**
 * Takes carriages over SMTP. The answer says only whether the carriage is well formed and its unit durable, never whether a
 * layer opens: 250 comes once the next stage has resolved.
 */
export function receive(context: ReceiveContext, lines: Lines): Promise<SmtpServer> {
  const { log, counters, packetBytes, domains } = context;
  const mailboxes = new Set(domains.map((domain) => `secure@${domain}`));
  let storing = true;
  const noteStoring = (works: boolean, fields: LogFields = {}): void => {
    if (works === storing) return;
    storing = works;
    if (works) log.info('units are stored again');
    else log.error('units cannot be stored', fields);
  };

  const decide = async (message: Uint8Array): Promise<Decision> => {
    const carriage = openCarriage(message, packetBytes);
    if (carriage.kind === 'refused') {
      counters.count('received', 'malformed');
      return { kind: 'rejected', code: 554, enhanced: '5.6.0', text: 'this is no carriage' };
    }
    const kind = kindOf(carriage.bytes);
    const line = lines[kind];
    if (line === undefined) {
      counters.count('received', 'wrong-kind');
      return { kind: 'rejected', code: 554, enhanced: '5.7.1', text: 'this node does not take that' };
    }
    try {
      await line.take({ kind, bytes: carriage.bytes });
    } catch (error) {
      counters.count('received', 'deferred');
      noteStoring(false, { code: codeOf(error) });
      return { kind: 'deferred', text: 'cannot store it now, try again later' };
    }
    noteStoring(true);
    counters.count('received', 'accepted');
    return { kind: 'accepted' };
  };

  return startSmtpServer({
    listen: context.listen,
    hostname: context.ehlo,
    tls: context.tls,
    maxBytes: mostOctets(packetBytes),
    maxRecipients: 1,
    limits: defaultSmtpLimits,
    accepts: (mailbox) => mailboxes.has(mailbox),
    onMessage: ({ bytes }) => decide(bytes),
    onFault: (fault) => log.error('a carriage met a fault', { code: codeOf(fault) }),
  });
}

/** Octets of the longest message that is taken, and announced as SIZE (spec carriage 4.3). */
function mostOctets(packetBytes: number): number {
  return carriageLength(packetBytes) + maxTraceOctets;
}

/** Exit units start with a byte that is no packet's suite (spec packet 10). */
function kindOf(unit: Uint8Array): UnitKind {
  return unit[0] === 0x81 || unit[0] === 0x82 ? 'exit' : 'packet';
}
