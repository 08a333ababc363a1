import { checkReach } from '@postern/mail';
import type { Reach } from './watch.ts';

/** From the look-up of its name to the answer to the last EHLO, milliseconds. */
const timeoutMs = 20_000;

/** Opens a connection to a mix as another mix does to hand a packet over, and closes it: STARTTLS, the key that the consensus names, EHLO. */
export function reachBySmtp(ehloName: string): Reach {
  return async ({ smtp, tlsPins }, signal) => {
    const peer = { ...smtp, tls: { kind: 'pin', pins: tlsPins } } as const;
    return (await checkReach(peer, { ehloName, timeoutMs, signal })) === 'reached';
  };
}
