import { dirname, resolve } from 'node:path';
import { requireTrustedPath, systemClock, systemRandom } from '@postern/runtime';
import { type Command, Option } from 'commander';
import { type NodeRole, nodeRoles } from '../config.ts';
import type { NewNode } from '../config-file.ts';
import { initNode } from '../init.ts';
import { requireOwner } from '../keys/files.ts';
import type { NewServer, NewSubmission } from '../submission-file.ts';
import { configOption } from './context.ts';

interface InitOptions {
  readonly config: string;
  readonly dir: string;
  readonly name: string;
  readonly role: NodeRole[];
  readonly family?: string;
  readonly contact?: string;
  readonly capacity?: number;
  readonly listen: string;
  readonly advertise?: string;
  readonly behind?: string[];
  readonly directoryUrl: string[];
  readonly authority: string[];
  readonly threshold?: number;
  readonly resolver?: string;
  readonly domain?: string;
  readonly maildir?: string;
  readonly mailbox?: string[];
  readonly lmtp?: string;
  readonly submission?: string;
  readonly submissionTls?: string;
  readonly imap?: string;
  readonly imapPin?: string;
  readonly smtp?: string;
  readonly smtpPin?: string;
  readonly smarthost?: string;
  readonly smarthostPrefer?: string;
  readonly smarthostPin?: string;
}

export function addInit(program: Command): void {
  program
    .command('init')
    .description('Make keys and certificate, and write a commented configuration. Replaces nothing.')
    .requiredOption('--name <domain>', 'mail domain of the node, for example mix1.example')
    .addOption(new Option('--role <role...>', 'what it does').choices(nodeRoles).default(['mix']))
    .requiredOption('--directory-url <url...>', 'where the directory is served')
    .requiredOption('--authority <key...>', 'keys of the authorities, as they print them')
    .option('--threshold <n>', 'how many authorities must have signed (default: more than half)', Number)
    .option(
      '--resolver <address>',
      'who is asked about other domains: "none", or for example 127.0.0.1:53 (default: "system")',
    )
    .option(...configOption)
    .option('--dir <folder>', 'keys and spool, relative to the configuration file', 'node-data')
    .option('--family <name>', 'operator that runs several nodes')
    .option('--contact <address>', 'mail address or https URL of whoever runs it, which authorities show')
    .option(
      '--capacity <packets>',
      'packets a second that a mix can do, a power of two (default: 64)',
      Number,
    )
    .option('--listen <host:port>', 'where SMTP is taken', '127.0.0.1:2525')
    .option('--advertise <host:port>', 'where others reach it (default: as --listen)')
    .option('--behind <address...>', 'addresses or networks of one’s own mail servers that hand on to it')
    .option('--domain <domain>', 'the domain that it is the gateway of (default: as --name)')
    .option('--maildir <path>', 'where messages go; {local} stands for the mailbox')
    .option('--mailbox <local...>', 'mailboxes that exist, with --maildir')
    .option('--lmtp <address>', 'deliver by LMTP instead: host:port or unix:/path')
    .option('--submission <host:port>', 'where authors submit, with STARTTLS (default: 127.0.0.1:2587)')
    .option('--submission-tls <host:port>', 'the same over TLS from the first octet')
    .option('--imap <host:port>', 'authors are who may log in to this IMAP server, not those of a file')
    .option('--imap-pin <hash>', 'SHA-256 of its public key, in place of a certificate for its name')
    .option('--smtp <host:port>', 'authors are who may log in to this submission server')
    .option('--smtp-pin <hash>', 'as --imap-pin')
    .option('--smarthost <host:port>', 'mail server that takes what goes to other domains')
    .option('--smarthost-prefer <host:port>', 'the same for what may go without verified TLS')
    .option('--smarthost-pin <hash>', 'as --imap-pin, for both')
    .action(async (options: InitOptions) => {
      const deps = { clock: systemClock, random: systemRandom };
      const folder = dirname(resolve(options.config));
      await requireTrustedPath(folder);
      await requireOwner(resolve(folder, options.dir));
      const { id, configPath, identityPath, zonePath } = await initNode(newNode(options), deps);
      process.stderr.write(
        `Wrote ${configPath}. Move ${identityPath} to where nobody else gets at it: it makes the next signing key, within a year.\nThe node's id:\n`,
      );
      process.stdout.write(`${id}\n`);
      if (zonePath !== undefined)
        process.stderr.write(
          `Records for the domain's zone: ${zonePath}; all of them: postern-node dns zone\n`,
        );
    });
}

function newNode(options: InitOptions): NewNode {
  const { config, dir, name, role, family, contact, capacity } = options;
  const { listen, advertise, directoryUrl, authority } = options;
  const { threshold, resolver, behind, domain, maildir, mailbox, lmtp } = options;
  const asked = [domain, maildir, mailbox, lmtp].some((option) => option !== undefined);
  const submission = newSubmission(options);
  return {
    configPath: config,
    dataDir: dir,
    name,
    roles: role,
    ...(family === undefined ? {} : { family }),
    ...(contact === undefined ? {} : { contact }),
    ...(capacity === undefined ? {} : { capacity }),
    listen,
    advertise: advertise ?? listen,
    ...(behind === undefined ? {} : { behind }),
    directoryUrls: directoryUrl,
    authorities: authority,
    ...(threshold === undefined ? {} : { threshold }),
    ...(resolver === undefined ? {} : { resolver }),
    ...(asked
      ? {
          delivery: {
            domain: domain ?? name,
            ...(maildir === undefined ? {} : { maildir: resolve(maildir) }),
            ...(mailbox === undefined ? {} : { mailboxes: mailbox }),
            ...(lmtp === undefined ? {} : { lmtp }),
          },
        }
      : {}),
    ...(submission === undefined ? {} : { submission }),
  };
}

/** What is asked for of submission; with the role alone, as little as goes. */
function newSubmission(options: InitOptions): NewSubmission | undefined {
  const { role, dir, submission, submissionTls, imap, imapPin, smtp, smtpPin } = options;
  const { smarthost, smarthostPrefer, smarthostPin } = options;
  const servers = [imap, smtp, smarthost, smarthostPrefer, smarthostPin];
  const asked = [submission, submissionTls, ...servers].some((option) => option !== undefined);
  if (!asked && !role.includes('submission')) return undefined;
  const listen = submission ?? (submissionTls === undefined ? '127.0.0.1:2587' : undefined);
  return {
    ...(listen === undefined ? {} : { listen }),
    ...(submissionTls === undefined ? {} : { listenTls: submissionTls }),
    ...(imap === undefined && smtp === undefined ? { authors: `${dir}/authors` } : {}),
    ...server('imap', imap, imapPin),
    ...server('smtp', smtp, smtpPin),
    ...onward(smarthost, smarthostPrefer, smarthostPin),
  };
}

function server(key: 'imap' | 'smtp', at?: string, pin?: string): Record<string, NewServer> {
  if (at === undefined) return {};
  return { [key]: { at, ...(pin === undefined ? {} : { pin }) } };
}

/** One that lacks something is refused with the whole configuration. */
function onward(require?: string, prefer?: string, pin?: string): Pick<NewSubmission, 'smarthost'> {
  if ([require, prefer, pin].every((option) => option === undefined)) return {};
  return {
    smarthost: {
      ...(require === undefined ? {} : { require }),
      ...(prefer === undefined ? {} : { prefer }),
      ...(pin === undefined ? {} : { pin }),
    },
  };
}
