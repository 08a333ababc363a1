import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { domainName, duration, endpoint, formatEndpoint, parseConfig, readToml, size } from './config.ts';
import { ConfigError } from './errors.ts';

const schema = z.strictObject({
  name: domainName,
  wait: duration,
  smtp: z.strictObject({ listen: endpoint, most: size }),
});

function mistakesIn(input: unknown): Record<string, string> {
  try {
    parseConfig(schema, input, 'node.toml');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return Object.fromEntries(error.mistakes.map(({ path, message }) => [path, message]));
  }
  return {};
}

describe('parseConfig', () => {
  test('gives typed values', () => {
    const input = { name: 'mix1.test', wait: '3h', smtp: { listen: '127.0.0.1:25', most: '25MB' } };
    expect(parseConfig(schema, input, 'node.toml')).toEqual({
      name: 'mix1.test',
      wait: 10_800_000,
      smtp: { listen: { host: '127.0.0.1', port: 25 }, most: 25_000_000 },
    });
  });

  test.each([
    [101, 'and 1 more mistake'],
    [250, 'and 150 more mistakes'],
  ])('of a file of %i mistakes tells a hundred, and how many more there are', (count, told) => {
    const input = Object.fromEntries(Array.from({ length: count - 1 }, (_, at) => [`key${at}`, 1]));
    const mistakes = Object.entries(mistakesIn({ ...input, name: 'mix1.test', wait: '3h' }));
    expect(mistakes).toHaveLength(101);
    expect(mistakes.at(-1)).toEqual(['', told]);
  });

  test('reports every mistake at once, each with its path', () => {
    const mistakes = mistakesIn({
      name: 'Mix1',
      wait: '3 hours',
      smtp: { listen: 'here', mots: 1 },
      smpt: {},
    });
    expect(Object.keys(mistakes).sort()).toEqual([
      'name',
      'smpt',
      'smtp.listen',
      'smtp.most',
      'smtp.mots',
      'wait',
    ]);
    expect(mistakes['smtp.mots']).toContain('no known key');
    expect(mistakes['smtp.most']).toContain('missing');
    expect(mistakes.wait).toContain('"200ms"');
  });

  test('a schema that says nothing itself is told in words of a configuration', () => {
    const schema = z.strictObject({
      store: z.enum(['sqlite', 'redis']),
      kind: z.enum(['a', 'b']),
      names: z.array(z.string()).min(1),
      more: z.array(z.string()),
      count: z.int().min(1).max(9),
      on: z.boolean(),
      part: z.strictObject({}),
    });
    const input = { store: 'postgres', names: [], count: 10, on: 'yes' };
    let message = '';
    try {
      parseConfig(schema, input, 'it');
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message.split('\n').slice(1)).toEqual([
      '  store: is none of what there is; write "sqlite" or "redis"',
      '  kind: is missing; write "a" or "b"',
      '  names: is empty; write something there, or leave it out',
      '  more: is missing; write a list, in brackets',
      '  count: is too much; at most 9',
      '  on: is something else; write true or false, without quotes',
      '  part: is missing; write a section of that name, in brackets on a line of its own',
    ]);
  });

  test.each(['mix1.test', 'a.b-c.example', 'x'])('takes the domain name %s', (name) => {
    expect(domainName.parse(name)).toBe(name);
  });

  test.each([
    '',
    'Mix.test',
    'mix.test.',
    '-a.test',
    'a..test',
    '127.0.0.1',
    `${'a'.repeat(64)}.test`,
    'ü.test',
  ])('refuses the domain name %j', (name) => {
    expect(domainName.safeParse(name).success).toBe(false);
  });

  test.each(['127.0.0.1:25', '[::1]:2525', 'mx.b.test:25'])('writes the endpoint %s back as read', (text) => {
    expect(formatEndpoint(endpoint.parse(text))).toBe(text);
  });

  test.each(['127.0.0.1', ':25', 'h:65536', '::1:25', 'a b:25'])('refuses the endpoint %j', (text) => {
    expect(endpoint.safeParse(text).success).toBe(false);
  });
});

describe('readToml', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('names line and column of a mistake', async () => {
    const path = join(folder, 'node.toml');
    await writeFile(path, 'name = "a"\nname = "b"\n');
    await expect(readToml(path)).rejects.toThrow(/node\.toml does not hold:\n {2}line 2, column \d+: /);
  });

  test('says which file is missing', async () => {
    await expect(readToml(join(folder, 'none.toml'))).rejects.toThrow(
      /none\.toml does not hold:\n.*there is no such file/,
    );
  });
});
