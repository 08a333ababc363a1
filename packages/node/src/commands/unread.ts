import { ExitCode, UserError } from '@postern/runtime';
import { NodeError } from '../errors.ts';
import type { Unread } from '../keys/loaded.ts';

export const restoreOrRemove =
  'Mend the file, or restore it from a backup; remove it only if it is lost for good.';

/** For a command that has printed what it could. Throws `UserError` where keys before the present one could not be read. */
export function refuseUnread(unread: readonly Unread[], lacking: string): void {
  if (unread.length === 0) return;
  const why = unread.map(({ dir, error }) => {
    if (error instanceof UserError) return `${error.message} (${error.hint})`;
    return error instanceof NodeError ? error.message : dir;
  });
  throw new UserError(`a key before the present one cannot be read: ${why.join('; ')}`, {
    exitCode: ExitCode.failure,
    hint: `${lacking}. ${restoreOrRemove}`,
  });
}
