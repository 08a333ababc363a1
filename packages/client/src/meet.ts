import { type DirectoryClient, DirectoryError } from '@postern/directory/client';
import type { SmtpSenderOptions } from '@postern/mail';
import { parseTold } from '@postern/protocol/consensus';

/**
 * Hands nothing over to a node that goes by another consensus for an epoch than is here (spec consensus 10.6): one of the two may have been made
 * for one reader alone.
 */
export function meetBy(
  directory: () => Promise<Pick<DirectoryClient, 'hear'>>,
): NonNullable<SmtpSenderOptions['meet']> {
  return async (_peer, offers) => {
    const told = parseTold(offers);
    if (told === undefined) return 'go-on';
    try {
      const heard = await (await directory()).hear(told);
      return heard === 'same' || heard === 'unknown' ? 'go-on' : 'declined';
    } catch (error) {
      if (error instanceof DirectoryError) return 'declined';
      throw error;
    }
  };
}
