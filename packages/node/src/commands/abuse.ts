import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer as readAll } from 'node:stream/consumers';
import { callControl, ExitCode, UserError } from '@postern/runtime';
import type { Command } from 'commander';
import type { Complained } from '../report/complain.ts';
import { fieldName, findField } from '../report/field.ts';
import { configOption, readConfig } from './context.ts';

export function addAbuse(program: Command): void {
  program
    .command('abuse')
    .description('Abuse that reached a mailbox of the domain.')
    .command('report')
    .description('Complain of a delivered message to its author’s domain, which alone knows the author.')
    .argument('<file>', 'the message with its whole header, or - for standard input')
    .option(...configOption)
    .action(async (file: string, options: { readonly config: string }) => {
      const { dataDir } = await readConfig(options.config);
      const value = findField(await readMessage(file));
      if (value === undefined)
        throw new UserError(`the message has no field ${fieldName}`, {
          exitCode: ExitCode.dataError,
          hint:
            'Give it as it was delivered, with its whole header. It has none when it came through mixes, when no domain answered for it, ' +
            'or when its author asked for no reports: then nobody can be told.',
        });
      const answer = await callControl(join(dataDir, 'control.sock'), '/complain', value);
      const complained = JSON.parse(answer) as Complained;
      if (complained.kind !== 'sent') throw failures[complained.kind]();
      process.stderr.write(`A complaint goes to ${complained.domain}.\n`);
    });
}

async function readMessage(file: string): Promise<Uint8Array> {
  if (file === '-') return readAll(process.stdin);
  return readFile(file).catch((cause: unknown) => {
    throw new UserError(`${file} cannot be read`, { exitCode: ExitCode.dataError, cause });
  });
}

const failures: Readonly<Record<Exclude<Complained['kind'], 'sent'>, () => UserError>> = {
  unknown: () =>
    new UserError(`no key of the domain opens the field ${fieldName}`, {
      exitCode: ExitCode.dataError,
      hint: 'This gateway did not deliver the message, somebody changed the field, or its key is gone.',
    }),
  expired: () =>
    new UserError('the message is too old to complain of', {
      exitCode: ExitCode.dataError,
      hint: 'Its author’s domain does not know any more whose it is. Complain within 30 days of the delivery.',
    }),
  'no-domain': () =>
    new UserError('the author’s domain takes no complaints', {
      exitCode: ExitCode.unavailable,
      hint: 'It publishes no record that DNSSEC proves. It can still be denied: delivery.deny.',
    }),
  later: () =>
    new UserError('the complaint cannot be made now', {
      exitCode: ExitCode.tempFail,
      hint: 'The author’s domain could not be looked up, or the spool is full. Try again later.',
    }),
};
