import type { Target } from './target.ts';
import { directoryTargets } from './targets/directory.ts';
import { dkimTargets } from './targets/dkim.ts';
import { dnsTargets } from './targets/dns.ts';
import { documentTargets } from './targets/documents.ts';
import { logTargets } from './targets/log.ts';
import { mailTargets } from './targets/mail.ts';
import { mimeTargets } from './targets/mime.ts';
import { openpgpTargets } from './targets/openpgp.ts';
import { packetTargets } from './targets/packet.ts';
import { recordTargets } from './targets/records.ts';
import { reportTargets } from './targets/reports.ts';
import { settingsTargets } from './targets/settings.ts';
import { smtpClientTargets } from './targets/smtp-client.ts';
import { smtpLineTargets } from './targets/smtp-lines.ts';
import { smtpServerTargets } from './targets/smtp-server.ts';
import { submissionTargets } from './targets/submission.ts';

/** Everything that reads what a stranger may have written. */
export const targets: readonly Target[] = [
  ...packetTargets,
  ...openpgpTargets,
  ...reportTargets,
  ...mimeTargets,
  ...documentTargets,
  ...logTargets,
  ...directoryTargets,
  ...recordTargets,
  ...dnsTargets,
  ...mailTargets,
  ...dkimTargets,
  ...smtpLineTargets,
  ...settingsTargets,
  ...smtpServerTargets,
  ...submissionTargets,
  ...smtpClientTargets,
];

/** Our own code, and the libraries that read what strangers send. */
export const counted =
  /^(?:packages\/[^/]+\/src\/(?!testing\/)|node_modules\/(?:mailauth|nodemailer|openpgp|smol-toml|smtp-server)\/)/;
