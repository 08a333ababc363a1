import { ExitCode } from '@postern/runtime';
import { quoted, redisCli } from './command.ts';
import type { RedisConnection } from './connection.ts';

/** Which spool is asked for, and where. */
export interface Place {
  readonly connection: RedisConnection;
  /** What all of its keys begin with. */
  readonly prefix: string;
}

/** What has failed, what to do about it, and what a process ends with that cannot start for it. */
export interface Failure {
  readonly detail: string;
  readonly hint: string;
  readonly exitCode?: ExitCode;
}

/** What a user of Redis may do whose spool this is, as rules of an ACL. */
export function rightsFor(prefix: string): string[] {
  const own = [`~${prefix}*`, `&${prefix}*`];
  return [...own, '+@all', '-@dangerous', '+info', '+config|get', '+bgrewriteaof'];
}

/** As in `spool.redis.url`, and with nothing secret. */
function addressOf(connection: RedisConnection): string {
  if ('path' in connection) return `unix:${connection.path}`;
  const { host, port, tls } = connection;
  return `${tls === undefined ? 'redis' : 'rediss'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Why there is no connection, by what the system or TLS calls it. */
export function unreached(code: string, { connection }: Place): Failure {
  const at = addressOf(connection);
  const known = untrusted.has(code) ? mistrusted(connection) : (reasons[code]?.(connection) ?? silent);
  return { ...known, detail: `no connection to Redis at ${at} (${code})` };
}

/** What Redis refuses whatever is asked of it, by the first word that it says. */
export function refused(word: string, message: string, place: Place): Failure | undefined {
  const { connection } = place;
  const at = `Redis at ${addressOf(connection)} says ${word}`;
  const cli = (command: string): string => redisCli(connection, command);
  switch (word) {
    case 'NOAUTH':
      return {
        detail: at,
        hint: 'It wants a user or a password: give spool.redis a password_file, and user unless that is "default".',
        exitCode: ExitCode.noPermission,
      };
    case 'WRONGPASS':
      return {
        detail: at,
        hint: `Compare user ("${connection.username ?? 'default'}") and password_file of spool.redis with the users of Redis:\n${cli('ACL LIST')}`,
        exitCode: ExitCode.noPermission,
      };
    case 'NOPERM':
      return { ...forbidden(message, place), exitCode: ExitCode.noPermission };
    case 'READONLY':
      return {
        detail: at,
        hint: `It is a replica. Write its master's address to spool.redis.url, or make it a master:\n${cli('REPLICAOF NO ONE')}`,
      };
    case 'MISCONF':
      return {
        detail: at,
        hint: `It could not write to its disk, and takes no writes: free space there, and see its log and\n${cli('INFO persistence')}`,
      };
    case 'LOADING':
      return {
        detail: at,
        hint: 'It reads its file after a start: the node goes on by itself once that is done.',
      };
    case 'BUSY':
      return {
        detail: at,
        hint: `A script runs for long there. If that is nobody's any more:\n${cli('SCRIPT KILL')}`,
      };
    case 'MASTERDOWN':
      return {
        detail: at,
        hint: "It is a replica without its master: write the master's address to spool.redis.url.",
      };
    case 'NOREPLICAS':
      return {
        detail: at,
        hint: `It waits for replicas, which a spool must not have:\n${cli('CONFIG SET min-replicas-to-write 0')}`,
      };
    case 'CLUSTERDOWN':
      return { detail: at, hint: `Its cluster lacks a part:\n${cli('CLUSTER INFO')}` };
    default:
      return undefined;
  }
}

/** Redis says of keys and channels only that there was one: it is one of the spool. */
function forbidden(message: string, { connection, prefix }: Place): Omit<Failure, 'exitCode'> {
  const { username = 'default' } = connection;
  const command = /run the '([\w|-]+)'/.exec(message)?.[1];
  const own = /\bkeys?\b/.test(message) ? `~${prefix}*` : `&${prefix}*`;
  const lacks = command === undefined ? own : `+${command}`;
  const rules = rightsFor(prefix).map(quoted).join(' ');
  return {
    detail: `Redis at ${addressOf(connection)} says NOPERM: user "${username}" lacks ${lacks}`,
    hint: `The spool is ${prefix}: its name is spool.redis.name, or the node's. Its user needs what docs/operations/redis.md says:\n${redisCli(connection, `ACL SETUSER ${quoted(username)} ${rules}`)}`,
  };
}

const untrusted: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);

type Known = Omit<Failure, 'detail'>;

function mistrusted(connection: RedisConnection): Known {
  const file = 'caFile' in connection ? connection.caFile : undefined;
  const hint =
    file === undefined
      ? 'No authority of this system vouches for its certificate: give spool.redis a `ca`, the PEM file of who does (for one that is signed by itself that certificate).'
      : `${file}, which spool.redis.ca names, does not vouch for its certificate: copy there the certificate that Redis has now (tls-cert-file), or its authority's.`;
  return { hint, exitCode: ExitCode.config };
}

const silent: Known = {
  hint: 'See whether Redis runs, and what its log says.',
  exitCode: ExitCode.tempFail,
};

function noWay(hint: string): Known {
  return { hint, exitCode: ExitCode.tempFail };
}

const unfit = (hint: string): Known => ({ hint, exitCode: ExitCode.config });

const notPlain =
  'No TLS is spoken at that port: write rediss:// with the port of `tls-port`, or redis:// where the wire is all yours.';
const certificateAsked =
  'It asks for a certificate of the node, which has none: set `tls-auth-clients no` in redis.conf.';

function noEntry(connection: RedisConnection): Known {
  return {
    hint:
      'path' in connection
        ? "The node's user may not open that socket: `adduser postern redis`, then start the node anew; `unixsocketperm 770` in redis.conf."
        : 'The system does not let the node connect: see its firewall and the unit of the node.',
    exitCode: ExitCode.noPermission,
  };
}

const reasons: Readonly<Record<string, (connection: RedisConnection) => Known>> = {
  EACCES: noEntry,
  EPERM: noEntry,
  ENOENT: () =>
    noWay(
      'There is no such socket: start Redis, or compare spool.redis.url with `unixsocket` in redis.conf.',
    ),
  ECONNREFUSED: () =>
    noWay(
      'Nobody listens there: start Redis, or compare spool.redis.url with `unixsocket`, `bind`, `port` and `tls-port` in redis.conf.',
    ),
  ENOTFOUND: () => noWay('DNS knows no address of that name: correct spool.redis.url, or see the resolver.'),
  EAI_AGAIN: () =>
    noWay('DNS gives no answer for that name: see the resolver, or write an address to spool.redis.url.'),
  ETIMEDOUT: () =>
    noWay(
      'Nothing comes back: see whether that machine runs, its firewall, and the address in spool.redis.url.',
    ),
  EHOSTUNREACH: () => noWay('No way leads there: see the network, and the address in spool.redis.url.'),
  ENETUNREACH: () => noWay('No way leads there: see the network, and the address in spool.redis.url.'),
  ECONNRESET: () =>
    noWay(
      'It ended the connection: see its log. To a port of TLS write rediss://; of a Redis that others may not reach `protected-mode` is the cause.',
    ),
  ERR_TLS_CERT_ALTNAME_INVALID: (connection) =>
    unfit(
      `Its certificate is not for ${'host' in connection ? connection.host : ''}: write a name to spool.redis.url that stands in it (subjectAltName), or give Redis one with that name.`,
    ),
  CERT_HAS_EXPIRED: () =>
    unfit(
      'Its certificate has expired, or the clock is wrong: put the next one in its place, on Redis and as `ca`.',
    ),
  CERT_NOT_YET_VALID: () => unfit('Its certificate does not hold yet: compare the clocks.'),
  ERR_SSL_WRONG_VERSION_NUMBER: () => unfit(notPlain),
  ERR_SSL_PACKET_LENGTH_TOO_LONG: () => unfit(notPlain),
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: () => unfit(certificateAsked),
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: () => unfit(certificateAsked),
};
