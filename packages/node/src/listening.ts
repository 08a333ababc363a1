import { MailError, type SmtpServer, type SmtpServerOptions, startSmtpServer } from '@postern/mail';
import { cannotListen } from '@postern/runtime';

/** Takes mail where the configuration says, in `setting`. Throws `UserError` when that address cannot be had, and `MailError`. */
export async function takeMail(options: SmtpServerOptions, setting: string): Promise<SmtpServer> {
  try {
    return await startSmtpServer(options);
  } catch (error) {
    if (!(error instanceof MailError) || error.code !== 'cannot-listen') throw error;
    throw cannotListen({ what: 'mail cannot be taken', at: options.listen, setting, cause: error.cause });
  }
}
