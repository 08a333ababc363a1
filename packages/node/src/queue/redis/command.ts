import type { RedisConnection } from './connection.ts';

/** What an operator types to ask the Redis that is configured something: without a password, for which the command asks. */
export function redisCli(connection: RedisConnection, command: string): string {
  return ['redis-cli', ...addressOf(connection), ...loginOf(connection), command].join(' ');
}

function addressOf(connection: RedisConnection): string[] {
  if ('path' in connection) return ['-s', quoted(connection.path)];
  const { host, port, tls, caFile } = connection;
  const authority = caFile === undefined ? [] : ['--cacert', quoted(caFile)];
  return ['-h', host, '-p', String(port), ...(tls === undefined ? [] : ['--tls', ...authority])];
}

/** A user that is the node's alone may change nothing of Redis: then the command is for whoever else may. */
function loginOf({ username = 'default', password }: RedisConnection): string[] {
  if (username !== 'default') return ['--user', 'NAME', '--askpass'];
  return password === undefined ? [] : ['--askpass'];
}

/** For a shell. */
export function quoted(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
