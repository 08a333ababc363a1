import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import {
  askSecretly,
  callControl,
  ExitCode,
  systemRandom,
  UserError,
  writeFileDurable,
} from '@postern/runtime';
import type { Command } from 'commander';
import { NodeError } from '../errors.ts';
import type { Complaints } from '../spool.ts';
import { readAuthorsFile } from '../submit/authors/file.ts';
import { hashPassword } from '../submit/authors/hash.ts';
import { changeAuthors, parseAuthors } from '../submit/authors/list.ts';
import { localPart } from '../submit/authors/name.ts';
import { configOption, readConfig, readOwnConfig } from './context.ts';
import { tellCopies } from './copies.ts';

interface AuthorOptions {
  readonly config: string;
}

export function addAuthor(program: Command, stop: AbortSignal): void {
  const author = program
    .command('author')
    .description(
      'Authors: the mailboxes of the domain that may submit here. set, remove and list keep the file that authors in [submission] names; where an IMAP or SMTP server says who may submit, there is none.',
    );
  author
    .command('set')
    .description(
      'Add an author, or give one another password. It is asked for at a terminal, and else read from the first line of standard input.',
    )
    .argument('<mailbox>', 'mailbox of the domain, or its local part alone')
    .option(...configOption)
    .action(async (mailbox: string, options: AuthorOptions) => {
      const file = await openFile(options, readOwnConfig);
      const local = localOf(mailbox, file.domain);
      const hash = await hashPassword(await newPassword(stop), systemRandom);
      await file.write(changeAuthors(file.text, file.domain, local, hash));
      process.stderr.write(`${local}@${file.domain} may submit.\n`);
      file.tellCopies();
    });
  author
    .command('remove')
    .description('Take an author out of the file: no more logins. What they have submitted still leaves.')
    .argument('<mailbox>', 'mailbox of the domain, or its local part alone')
    .option(...configOption)
    .action(async (mailbox: string, options: AuthorOptions) => {
      const file = await openFile(options, readOwnConfig);
      const local = localOf(mailbox, file.domain);
      if (!file.authors.has(local))
        throw new UserError(`${local}@${file.domain} is no author`, {
          exitCode: ExitCode.dataError,
          hint: 'See who is: postern-node author list',
        });
      await file.write(changeAuthors(file.text, file.domain, local));
      file.tellCopies();
    });
  author
    .command('list')
    .description('Print the authors in the file, one mailbox a line.')
    .option(...configOption)
    .action(async (options: AuthorOptions) => {
      const { authors, domain } = await openFile(options);
      for (const local of [...authors.keys()].sort()) process.stdout.write(`${local}@${domain}\n`);
    });
  author
    .command('complaints')
    .description(
      'Print whose messages were complained of by their recipients’ domains: a line for each author and day, with how many. Asks the running node.',
    )
    .option(...configOption)
    .option('--json', 'print one JSON array')
    .action(async (options: AuthorOptions & { readonly json?: boolean }) => {
      const { dataDir } = await readConfig(options.config);
      const text = await callControl(join(dataDir, 'control.sock'), '/complaints');
      process.stdout.write(
        options.json === true ? `${text}\n` : formatComplaints(JSON.parse(text) as Complaints[]),
      );
    });
}

function formatComplaints(complaints: readonly Complaints[]): string {
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  return complaints.map(({ author, dayMs, count }) => `${author} ${day(dayMs)} ${count}\n`).join('');
}

interface AuthorFile {
  readonly domain: string;
  readonly text: string;
  readonly authors: ReadonlyMap<string, unknown>;
  /** A node that runs reads it anew at the next login. */
  write(text: string): Promise<void>;
  /** Says that the node's other processes need a copy. */
  tellCopies(): void;
}

async function openFile({ config: path }: AuthorOptions, read = readConfig): Promise<AuthorFile> {
  const config = await read(path);
  const { submission, delivery } = config;
  if (submission?.authors.kind !== 'file' || delivery === undefined)
    throw new UserError(`${path} names no file of authors`, {
      exitCode: ExitCode.config,
      hint: 'Set authors in its section [submission]; with imap or smtp that server says who they are.',
    });
  const { path: file } = submission.authors;
  const { domain } = delivery;
  const text = await readAuthorsFile(file).catch((error: Error) => {
    if (error instanceof NodeError && error.code === 'missing-key-file') return '';
    throw error;
  });
  const authors = parseAuthors(text, domain, file);
  return {
    domain,
    text,
    authors,
    write: (changed) => writeFileDurable(file, changed),
    tellCopies: () => tellCopies(config, file),
  };
}

function localOf(mailbox: string, domain: string): string {
  const local = localPart(mailbox, domain);
  if (local !== undefined) return local;
  throw new UserError(`there can be no such author of ${domain}`, {
    exitCode: ExitCode.usage,
    hint: `Write a mailbox of ${domain}, or its local part, of letters, digits and ._+-`,
  });
}

/** Never an argument: other users of the machine see those. */
async function newPassword(stop: AbortSignal): Promise<string> {
  const password = process.stdin.isTTY ? await askTwice(stop) : firstLine(await readAll(process.stdin));
  // As a login takes it (RFC 4954): anything else could never be given again.
  if (password !== '' && !/[\p{Cc}\u2028\u2029]/u.test(password) && Buffer.byteLength(password) <= maxOctets)
    return password;
  throw new UserError('that is no password', {
    exitCode: ExitCode.usage,
    hint: `Give 1 to ${maxOctets} octets, without control characters.`,
  });
}

async function askTwice(stop: AbortSignal): Promise<string> {
  const password = await askSecretly('New password: ', stop);
  if (password === (await askSecretly('Once more: ', stop)) && password !== undefined) return password;
  throw new UserError('the two are not the same', { exitCode: ExitCode.usage });
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.replace(/\r$/, '') ?? '';
}

const maxOctets = 1_000;
