import { confirm } from '@postern/runtime';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { besideOf, refusalOf } from '../compose/reader.ts';
import {
  type Candidate,
  dayOf,
  type Finding,
  type LookupSource,
  lookupSources,
  othersIn,
} from '../keys/index.ts';
import { type CommonOptions, type Context, openClient, print, warn } from './context.ts';
import { shown } from './keys.ts';
import { table } from './table.ts';
import { write } from './terminal.ts';
import { visible } from './visible.ts';

interface FindOptions extends CommonOptions {
  readonly source?: LookupSource[];
}

/** The commands that look for others' certificates. */
export function addKeysFind(keys: Command, context: Context): void {
  const source = new Option('--source <source>', 'ask this source alone; may be repeated')
    .choices(lookupSources)
    .argParser((value: string, before: LookupSource[] | undefined) => {
      const known = lookupSources.find((each) => each === value);
      if (known === undefined) throw new InvalidArgumentError(`It is ${lookupSources.join(', ')}.`);
      return [...(before ?? []), known];
    });
  keys
    .command('find')
    .argument('<mailbox>', 'theirs')
    .description(
      'Look for the certificate of someone you write to: in DNS, a Web Key Directory, your GnuPG keyring.',
    )
    .addOption(source)
    .action(async (mailbox: string, _options, command: Command) =>
      find(mailbox, command.optsWithGlobals(), context),
    );
  keys
    .command('accept')
    .argument('<mailbox>', 'theirs')
    .argument('[fingerprint]', 'needed when several wait, or another key is pinned')
    .description('Pin the key that keys find has found, once its owner has told you that it is theirs.')
    .action(async (mailbox: string, fingerprint: string | undefined, _options, command: Command) =>
      accept(mailbox, fingerprint, command.optsWithGlobals(), context),
    );
}

async function find(mailbox: string, options: FindOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const finding = await client.keys.find(mailbox, { sources: options.source, signal: context.stop });
  const problem = refusalOf(finding, options.json === true ? undefined : '')?.problem;
  const error = problem && { code: problem.code, message: problem.message, hint: problem.hint };
  const value = error === undefined ? plain(finding) : { error: { ...error, ...plain(finding) } };
  await print(context, options, value, textOf(finding));
  if (problem !== undefined) {
    await warn(context, problem.message);
    await write(context.terminal.stderr, `  ${visible(problem.hint)}\n`);
    context.exitCode = problem.exitCode;
    return;
  }
  const beside = besideOf(finding);
  if (beside !== undefined) await warn(context, beside);
  if (finding.kind !== 'new' || options.json === true) return;
  const fingerprint = othersIn(finding)[0]?.fingerprint;
  const answer = await confirm(
    visible(`Is that theirs? Pin ${fingerprint} for ${finding.mailbox}? [y/N] `),
    context.stop,
  );
  if (answer === true) {
    await client.keys.accept(finding.mailbox, fingerprint);
    await write(context.terminal.stdout, `Pinned for ${visible(finding.mailbox)}.\n`);
    return;
  }
  await warn(
    context,
    `not pinned; once its owner has told you by another way that it is theirs: postern keys accept ${finding.mailbox} ${fingerprint}`,
  );
}

async function accept(
  mailbox: string,
  fingerprint: string | undefined,
  options: CommonOptions,
  context: Context,
): Promise<void> {
  await using client = openClient(context, options);
  const info = await client.keys.accept(mailbox, fingerprint?.toUpperCase());
  const place = info.replaced === undefined ? '' : `, in place of ${info.replaced}`;
  await print(context, options, shown(info), `${info.mailbox}  ${info.fingerprint}${place}`);
}

function plain({ candidates, kind, ...rest }: Finding): object {
  const listed = candidates.map(({ certificate: _certificate, created, expires, ...each }) => ({
    ...each,
    created: created.toISOString(),
    expires: expires?.toISOString() ?? null,
  }));
  return { finding: kind, ...rest, candidates: listed };
}

function textOf(finding: Finding): string {
  const { mailbox, looked, candidates, pinned } = finding;
  const asked = table(looked.map(({ source, said }) => [source, said]));
  const listed = candidates.map((each) => candidateText(each, pinned));
  return [mailbox, asked, ...listed, ...outcomeOf(finding)].join('\n');
}

/** What a look-up that nothing stands against has come to. */
function outcomeOf({ kind, own, mailbox }: Finding): string[] {
  if (kind === 'new') return [`No key is pinned for ${mailbox} yet.`];
  if (kind !== 'known') return [];
  return [own ? 'That is your own key.' : 'That key is pinned; what is new in it was taken.'];
}

function candidateText(each: Candidate, pinned: string | undefined): string {
  const { fingerprint, userIds, created, expires, algorithm, flaw, unvouched } = each;
  const until = expires === null ? 'for ever' : `until ${dayOf(expires)}`;
  const doubt = unvouched ? 'GnuPG does not call it valid' : undefined;
  const notes = [flaw, doubt, fingerprint === pinned ? 'pinned' : undefined].filter(
    (note) => note !== undefined,
  );
  return [
    `${fingerprint}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`,
    `  ${userIds.map((userId) => visible(userId)).join(', ')}`,
    `  ${algorithm}, made ${dayOf(created)}, holds ${until}`,
  ].join('\n');
}
