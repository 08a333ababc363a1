import { askSecretly as ask, UserError } from '@postern/runtime';
import { ClientError } from '../errors.ts';
import { visible } from './visible.ts';

/** Asks for a passphrase at the terminal of this session, without echo. Nothing when there is no terminal. */
export async function askSecretly(question: string, stop: AbortSignal): Promise<string | undefined> {
  try {
    return await ask(visible(question), stop);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new ClientError('wrong-passphrase', 'no passphrase was given', { cause: error });
  }
}
