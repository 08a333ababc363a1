import type { Log, Random } from '@postern/runtime';
import type { AuthorsConfig } from '../../submission-config.ts';
import type { Authors } from './authors.ts';
import { openFileAuthors } from './file.ts';
import { imapAuthors } from './imap.ts';
import { smtpAuthors } from './smtp.ts';

export interface AuthorsOptions {
  readonly domain: string;
  readonly ehloName: string;
  readonly log: Log;
  readonly random: Random;
}

/** The authors that a configuration names. Throws `ConfigError` for a file that does not hold, and as `readSecret` does. */
export async function openAuthors(config: AuthorsConfig, options: AuthorsOptions): Promise<Authors> {
  switch (config.kind) {
    case 'file':
      return openFileAuthors({ path: config.path, ...options });
    case 'imap':
      return imapAuthors(config.server, { ...options, login: config.login });
    case 'smtp':
      return smtpAuthors(config.server, { ...options, login: config.login });
  }
}
