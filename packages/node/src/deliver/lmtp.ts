import { createLmtpSender, type LmtpSender } from '@postern/mail';
import type { LmtpConfig } from '../config.ts';
import type { Lifetime } from '../lifetime.ts';
import type { MailSystem } from './deliver.ts';

export interface LmtpOptions {
  readonly to: LmtpConfig;
  /** The name given in LHLO. */
  readonly ehlo: string;
  readonly domain: string;
  readonly lifetime: Lifetime;
}

/**
 * Delivers over LMTP (RFC 2033) to the mail system beside the gateway. A connection lost behind the message's end may make a second
 * copy: LMTP has no way to ask.
 */
export function lmtp({ to, ehlo, domain, lifetime }: LmtpOptions): MailSystem {
  const sender: LmtpSender = createLmtpSender({ target: to.address, lhloName: ehlo });
  return {
    async put({ local, bytes }) {
      const message = { from: '', to: `${local}@${domain}`, message: bytes, signal: lifetime.cut };
      const result = await sender.deliver(message);
      switch (result.kind) {
        case 'sent':
          return { kind: 'delivered' };
        case 'deferred':
          return { kind: 'deferred', why: result.reason };
        case 'refused':
          return {
            kind: 'refused',
            failure: { status: result.enhanced, diagnostic: `${result.code} ${result.enhanced}` },
          };
      }
    },
    close: () => sender.close(),
  };
}
