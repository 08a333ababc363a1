import { readFile } from 'node:fs/promises';
import { createDkimSigner, type DkimSigner } from '@postern/mail';
import { ExitCode, type Log, type Random } from '@postern/runtime';
import type { NodeConfig } from './config.ts';
import { NodeError } from './errors.ts';
import { loadDkimKeys } from './keys/dkim-keys.ts';
import type { Authors } from './submit/authors/authors.ts';
import { openAuthors } from './submit/authors/open.ts';

/** What submission stands on beside what every node has. */
export interface SubmissionParts {
  readonly authors: Authors;
  /** PEM. */
  readonly tls: { readonly key: string; readonly cert: string };
  /** Signs what goes to other domains. */
  readonly signer: DkimSigner;
}

/**
 * Opens it for a node that has the role. `tls` is the node's own certificate. Throws `NodeError` `missing-key-file`,
 * `ConfigError` for a file of authors that does not hold.
 */
export async function openSubmission(
  { submission, delivery, smtp, dataDir }: NodeConfig,
  { tls, log, random }: { tls: SubmissionParts['tls']; log: Log; random: Random },
): Promise<SubmissionParts | undefined> {
  if (submission === undefined || delivery === undefined) return undefined;
  const { domain } = delivery;
  const own = submission.tls && {
    key: await readPem(submission.tls.key),
    cert: await readPem(submission.tls.cert),
  };
  const authors = await openAuthors(submission.authors, { domain, ehloName: smtp.ehlo, log, random });
  const signer = createDkimSigner({ domain, keys: await loadDkimKeys(dataDir, domain) });
  return { authors, tls: own ?? tls, signer };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new NodeError('missing-key-file', `${path} cannot be read`, {
      cause,
      exitCode: ExitCode.config,
      hint: 'Correct tls_key and tls_cert in the section [submission].',
    });
  }
}
