import type { Clock, Log, Random } from '@postern/runtime';
import { type CertificateFiles, openCertificateFiles, type Pair } from './certificate-files.ts';
import type { NodeConfig } from './config.ts';
import { type Dkim, openDkim } from './dkim.ts';
import type { Authors } from './submit/authors/authors.ts';
import { openAuthors } from './submit/authors/open.ts';

/** What submission stands on beside what every node has. */
export interface SubmissionParts {
  readonly authors: Authors;
  /** What is shown at first: of `files`, or the node's own. */
  readonly tls: Pair;
  /** None where authors are shown the node's own certificate. */
  readonly files: CertificateFiles | undefined;
  /** Signs what goes to other domains. */
  readonly dkim: Dkim;
}

/**
 * Opens it for a node that has the role. `tls` is the node's own certificate. Throws `NodeError` `missing-key-file`,
 * `ConfigError` for a file of authors that does not hold.
 */
export async function openSubmission(
  { submission, delivery, smtp, dataDir }: NodeConfig,
  { tls, clock, log, random }: { tls: Pair; clock: Clock; log: Log; random: Random },
): Promise<SubmissionParts | undefined> {
  if (submission === undefined || delivery === undefined) return undefined;
  const { domain } = delivery;
  const files = submission.tls && (await openCertificateFiles(submission.tls, { clock, log }));
  const authors = await openAuthors(submission.authors, { domain, ehloName: smtp.ehlo, log, random });
  const dkim = await openDkim({ clock, log, dataDir, domain });
  return { authors, tls: files?.current() ?? tls, files, dkim };
}
