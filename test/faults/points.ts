import { join } from 'node:path';
import type { Exchanged } from './resp.ts';
import { type Sent, type SmtpStep, smtpSteps } from './steps.ts';
import type { Call } from './strace.ts';

/** Where a process dies, by a name that says what has been done by then and what has not. */
export interface Point {
  readonly name: string;
  /** The process that is killed. */
  readonly victim: Victim;
  readonly at: DiskStep | OnWire;
}

export type OnWire = WireStep | RedisStep;

export type Node = 'first mix' | 'second mix' | 'gateway';
export type Victim = Node | 'Redis';

export interface DiskStep {
  readonly kind: 'disk';
  readonly call: Call;
  /** It comes only once nothing has passed for a while. */
  readonly idle: boolean;
}

/** On the wire to a node. */
export interface WireStep extends Sent {
  readonly kind: 'wire';
  readonly node: Node;
}

/** On a node's wire to Redis. */
export interface RedisStep extends Omit<Exchanged, 'node'> {
  readonly kind: 'redis';
  readonly node: Node;
}

/** Where the files of the victims are. */
export interface Files {
  readonly dataDir: (node: Node) => string;
  readonly maildir: string;
}

/** Every step of a hand-over from the first mix to the second, and what is the gateway's own of one to it; of either end's death. */
export function wirePoints(): Point[] {
  return [
    ...smtpSteps.flatMap((step) => wirePointsAt(step, 'second mix', 'first mix')),
    ...smtpSteps.slice(smtpSteps.indexOf('MAIL')).flatMap((step) => wirePointsAt(step, 'gateway')),
  ];
}

function wirePointsAt(step: SmtpStep, taker: Node, giver?: Node): Point[] {
  const sides = (['command', 'reply'] as const).filter(
    (what) => step !== (what === 'command' ? 'greeting' : 'half of the data'),
  );
  const nameOf = (what: Sent['what']): string => {
    if (step === 'greeting') return 'greeting sent, not read';
    return what === 'command' ? `${step} sent, not received` : `reply to ${step} sent, not read`;
  };
  return sides.flatMap((what) =>
    (giver === undefined ? [taker] : [taker, giver]).map((victim) => ({
      name: `wire to the ${taker}: ${nameOf(what)}, ${victim === taker ? 'taker' : 'giver'} dies`,
      victim,
      at: { kind: 'wire', node: taker, step, what },
    })),
  );
}

const frame = /pwrite64\(.*, (24|8192), [1-9]\d*/;
const behindFrame = { calls: 'pwrite64', line: frame };
const behindBlank = { calls: 'pwrite64', line: /"(\\0)+"\.*, 32, 0\)/ };
const behindNoise = { calls: 'pwrite64', line: /, \d{5,6}, \d+\)/ };

type CallOn = Omit<Call, 'path' | 'line'> & Partial<Call>;

/** What a node writes to its spool in SQLite while packets pass. */
export function spoolPoints(victim: Node, { dataDir }: Files): Point[] {
  const path = join(dataDir(victim), 'spool.sqlite-wal');
  const point = (name: string, call: CallOn): Point => ({
    name: `${victim}, spool: ${name}`,
    victim,
    at: { kind: 'disk', idle: false, call: { path, line: new RegExp(`${call.calls}\\(`), ...call } },
  });
  return [
    point('a transaction begins to be written', { side: 'before', calls: 'pwrite64', line: frame }),
    point('a transaction is written in part', { side: 'after', calls: 'pwrite64', line: frame }),
    point('a transaction is written, not synced', { side: 'before', calls: 'fsync', behind: behindFrame }),
    point('a transaction is synced, nobody knows', { side: 'after', calls: 'fsync', behind: behindFrame }),
    // A gateway does nothing that could be done again while nothing fails.
    ...(victim === 'gateway'
      ? []
      : [
          point('what can be done again is written, not synced', { side: 'before', calls: 'fdatasync' }),
          point('what can be done again is synced', { side: 'after', calls: 'fdatasync' }),
        ]),
  ];
}

/** How a journal is moved into the database, overwritten and cut; at any node, as it is the same at each. */
export function journalPoints({ dataDir }: Files): Point[] {
  const nodes = ['first mix', 'second mix', 'gateway'] as const;
  const database = 'spool.sqlite';
  const journal = 'spool.sqlite-wal';
  const steps: readonly [name: string, file: string, call: CallOn][] = [
    ['nothing of it is in the database', database, { side: 'before', calls: 'pwrite64' }],
    ['a part of it is in the database', database, { side: 'after', calls: 'pwrite64' }],
    ['it is in the database, not synced', database, { side: 'before', calls: 'fsync' }],
    ['it is in the database, synced', database, { side: 'after', calls: 'fsync' }],
    [
      'its header is overwritten, not synced',
      journal,
      { side: 'before', calls: 'fsync', behind: behindBlank },
    ],
    ['its header is overwritten, synced', journal, { side: 'after', calls: 'fsync', behind: behindBlank }],
    ['it is overwritten, not synced', journal, { side: 'before', calls: 'fsync', behind: behindNoise }],
    ['it is overwritten, not cut', journal, { side: 'before', calls: 'ftruncate' }],
    ['it is cut', journal, { side: 'after', calls: 'ftruncate' }],
  ];
  return steps.map(([name, file, call], at) => {
    const victim = nodes[at % nodes.length] as Node;
    const path = join(dataDir(victim), file);
    return {
      name: `${victim}, journal: ${name}`,
      victim,
      at: { kind: 'disk', idle: true, call: { path, line: new RegExp(`${call.calls}\\(`), ...call } },
    };
  });
}

type Script = readonly [script: RedisStep['script'], does: string];
const mixScripts: readonly Script[] = [
  ['accept', 'a unit is stored'],
  ['claim', 'rows are claimed'],
  ['relay', 'a packet becomes a relay'],
  ['finishRelay', 'a relay is finished'],
  ['settled', 'jobs have followed'],
];
/** What a gateway does besides. */
const gatewayScripts: readonly Script[] = [
  ['fragment', 'an exit becomes a fragment'],
  ['finishSet', 'a set is finished'],
];

/** What a spool in Redis is asked while a packet passes, and what answers it: the node or Redis dies. */
export function redisPoints(): Point[] {
  return [...scriptPoints('first mix', mixScripts), ...scriptPoints('gateway', gatewayScripts)];
}

function scriptPoints(of: Node, scripts: readonly Script[]): Point[] {
  return scripts.flatMap(([script, does]) =>
    ([of, 'Redis'] as const).flatMap((victim) =>
      (['command', 'reply'] as const).map((what): Point => {
        const seen = what === 'command' ? 'asked for, not received' : 'done, the reply not read';
        const who = victim === 'Redis' ? ', Redis dies' : '';
        return {
          name: `${of}, spool in Redis: ${does}: ${seen}${who}`,
          victim,
          at: { kind: 'redis', node: of, script, what },
        };
      }),
    ),
  );
}

/** The append-only file. */
export function aofPoints(): Point[] {
  const point = (name: string, call: Omit<Call, 'line'> & Partial<Call>): Point => ({
    name: `Redis, file: ${name}`,
    victim: 'Redis',
    at: { kind: 'disk', idle: false, call: { line: /\.aof/, ...call } },
  });
  const sync = { calls: 'fdatasync', behind: { calls: 'write', line: /\.aof/ } };
  return [
    point('commands are not written', { side: 'before', calls: 'write' }),
    point('commands are written, not synced', { side: 'before', ...sync }),
    point('commands are synced, not answered', { side: 'after', ...sync }),
  ];
}

/** A delivery into a Maildir. */
export function maildirPoints({ maildir }: Files): Point[] {
  const point = (name: string, call: Call): Point => ({
    name: `gateway, Maildir: ${name}`,
    victim: 'gateway',
    at: { kind: 'disk', idle: false, call },
  });
  const line = new RegExp(`${maildir}/tmp/`);
  const made = new RegExp(`${maildir}/tmp/.*O_CREAT`);
  const folder = { calls: 'fsync', path: join(maildir, 'new'), line: /fsync\(/ };
  return [
    point('a file is made in tmp, empty', { side: 'after', calls: 'openat', line: made }),
    point('a file is written in tmp, not synced', { side: 'before', calls: 'fsync', line }),
    point('a file is synced in tmp', { side: 'after', calls: 'fsync', line }),
    point('a file is to be renamed', { side: 'before', calls: 'rename', line }),
    point('a file is renamed into new, the folder not synced', { side: 'after', calls: 'rename', line }),
    point('the folder is synced, the set not finished', { side: 'after', ...folder }),
  ];
}
