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

/** The same of a descriptor that nobody has taken; nothing where each has refused it, which `createUntaken` says with the reason. */
export function untakenFields(error: unknown): LogFields | undefined {
  if (!(error instanceof DirectoryError) || error.code !== 'not-published') return troubleFields(error);
  const unsaid = error.untaken.filter(({ refusal }) => refusal === undefined);
  if (unsaid.length === 0) return undefined;
  const answers = unsaid.map(
    ({ url, detail, status }) => `${url}: ${status === undefined ? detail : `answered ${status}`}`,
  );
  return { code: error.code, answers: answers.join('; ') };
}
