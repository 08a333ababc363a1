import { readFile } from 'node:fs/promises';
import { UserError } from '@postern/runtime';
import { expect, test } from 'vitest';
import type { NodeRole } from './config.ts';
import { chooseStages, registeringStage, stagesOf } from './stages.ts';

type Config = Parameters<typeof chooseStages>[1];

function config(roles: readonly NodeRole[], { redis = true, port = 25 } = {}): Config {
  const limits = { maxBytes: 1, reserveBytes: 1 };
  const address = { host: '127.0.0.1', port };
  return {
    roles,
    spool: redis ? { ...limits, redis: { address: { path: '/run/redis.sock' }, vouched: false } } : limits,
    smtp: { listen: address, advertise: address, ehlo: 'mix1.test', allowPrivate: false, behind: [] },
  };
}

function refusalOf(list: string, of: Config): UserError {
  try {
    chooseStages(list.split(','), of);
  } catch (error) {
    if (error instanceof UserError) return error;
  }
  throw new Error(`${list} was taken`);
}

test('a node has the stages of its roles', () => {
  expect(stagesOf({ roles: ['mix'] })).toEqual(['receive', 'peel', 'forward']);
  expect(stagesOf({ roles: ['delivery'] })).toEqual(['receive', 'unwrap', 'forward']);
  expect(stagesOf({ roles: ['submission', 'delivery'] })).toEqual(['receive', 'submit', 'unwrap', 'forward']);
  expect(registeringStage({ roles: ['delivery', 'mix'] })).toBe('peel');
  expect(registeringStage({ roles: ['delivery'] })).toBe('receive');
});

test('some are chosen by name, in whatever order', () => {
  expect(chooseStages(['peel'], config(['mix']))).toEqual(['peel']);
  expect(chooseStages(['forward', 'receive', 'peel'], config(['mix', 'delivery']))).toEqual([
    'receive',
    'peel',
    'forward',
  ]);
});

test('everything that is wrong is said at once, and what there is', () => {
  const { message, exitCode, hint } = refusalOf(
    'recieve,unwrap,peel',
    config(['mix'], { redis: false, port: 0 }),
  );
  expect(message.split('\n')).toHaveLength(5);
  expect(message).toContain('"recieve" is no stage; there are receive, submit, peel, unwrap, forward');
  expect(message).toContain('"unwrap" needs the role "delivery"');
  expect(message).toContain('the spool is in SQLite');
  expect(message).toContain('smtp.advertise has port 0');
  expect(exitCode).toBe(64);
  expect(hint).toContain('receive, peel, forward');
  expect(() => chooseStages([], config(['mix']))).toThrow(
    /cannot run nothing alone:\n {2}no stage is named$/,
  );
});

test('port 0 is no mistake where the process receives, or does not tell the directory', () => {
  expect(chooseStages(['receive', 'peel'], config(['mix'], { port: 0 }))).toEqual(['receive', 'peel']);
  expect(chooseStages(['forward'], config(['mix'], { port: 0 }))).toEqual(['forward']);
});

test('what the page on Redis has a service run is what the unit runs, with stages that there are', async () => {
  const read = (path: string): Promise<string> =>
    readFile(new URL(`../../../${path}`, import.meta.url), 'utf8');
  const [, unit = ''] = /^ExecStart=(.+)$/m.exec(await read('infra/systemd/postern-node.service')) ?? [];
  const page = await read('docs/operations/redis.md');
  const [, command, stages = ''] = /^ExecStart=\n^ExecStart=(.+) --only (\S+)$/m.exec(page) ?? [];
  expect(command).toBe(unit);
  expect(chooseStages(stages.split(','), config(['mix']))).toEqual(['peel']);
});
