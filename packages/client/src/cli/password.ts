import { noPassword, type PasswordSource } from '../account/password.ts';
import { askSecretly } from './ask.ts';

/** Asked at the terminal; without one there is none. */
export function askPassword(stop: AbortSignal): PasswordSource {
  return async (request) => {
    const question = `Password of ${request.user} at ${request.server}: `;
    return (await askSecretly(question, stop)) ?? noPassword(request);
  };
}
