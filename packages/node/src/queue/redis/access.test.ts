import { expect, test } from 'vitest';
import { unreached } from './access.ts';
import { asRedisFault } from './faults.ts';

const prefix = '{postern:mix1.test}';
const socket = { connection: { path: '/run/redis.sock' }, prefix };
const secured = { host: 'redis.test', port: 6379, tls: {}, password: 'wrong-secret' };

/** What needs another user, another clock or another network, and no test of ours has. */
test.each([
  ['EACCES', socket, 77, 'unix:/run/redis.sock', 'adduser postern redis'],
  [
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    { connection: secured, prefix },
    78,
    'rediss://redis.test:6379',
    'give spool.redis a `ca`',
  ],
  ['CERT_HAS_EXPIRED', { connection: secured, prefix }, 78, 'rediss://redis.test:6379', 'expired'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', { connection: secured, prefix }, 78, 'rediss://', 'tls-port'],
  ['EAI_AGAIN', { connection: secured, prefix }, 75, 'redis.test', 'resolver'],
  ['ETIMEDOUT', { connection: { host: '::1', port: 1 }, prefix }, 75, 'redis://[::1]:1', 'firewall'],
  ['EUNHEARD', socket, 75, 'unix:', 'whether Redis runs'],
] as const)('%s has a hint and an exit code of its own', (code, place, exitCode, at, hint) => {
  const found = unreached(code, place);
  expect(found).toMatchObject({ exitCode, hint: expect.stringContaining(hint) });
  expect(found.detail).toMatch(new RegExp(`\\(${code}\\)$`));
  expect(found.detail).toContain(at);
  expect(JSON.stringify(found)).not.toContain('secret');
});

test.each([
  ['READONLY You can’t write against a read only replica.', 'replica'],
  ['MISCONF Errors writing to the AOF file', 'INFO persistence'],
  ['BUSY Redis is busy running a script.', 'SCRIPT KILL'],
  ['ERR ACL failure in script: User node has no permissions', '{postern:mix1.test}'],
])('%s is told by what mends it', (message, hint) => {
  const error = Object.assign(new Error(message), { name: 'ReplyError' });
  expect(asRedisFault(error, socket)).toMatchObject({
    code: 'spool-io',
    hint: expect.stringContaining(hint),
  });
});
