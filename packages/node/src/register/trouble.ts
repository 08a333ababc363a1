import { DirectoryError } from '@postern/directory/client';
import type { LogFields } from '@postern/runtime';
import { codeOf } from '../loop.ts';

/** What the log says of why directories give nothing: of their own words only which kind of answer each URL gave. */
export function troubleFields(error: unknown): LogFields {
  if (!(error instanceof DirectoryError)) return { code: codeOf(error) };
  const { code, failures, hint } = error;
  const answers = failures.map(({ url, reason }) => `${url}: ${reason}`).join('; ');
  return { code, ...(answers !== '' && { answers }), hint };
}
