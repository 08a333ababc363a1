import { hash } from 'node:crypto';
import { clockSkewMs, type ScriptName, scriptsWithin } from '@postern/node/testing';
import type { Chunk } from '@postern/testkit';

/** A step of a spool on the wire to Redis: what one end has sent of it, and the other has not got. */
export interface Exchanged {
  readonly script: ScriptName;
  /** The node whose spool it is. */
  readonly node: string;
  readonly what: 'command' | 'reply';
}

const names = new Map([...scriptsWithin(clockSkewMs)].map(([name, lua]) => [hash('sha1', lua), name]));

/** Gives the steps that a chunk completes, of a connection whose chunks are given one after the other (https://redis.io/docs/reference/protocol-spec). */
export function watchExchanges(): (chunk: Chunk) => Exchanged[] {
  const commands = split();
  const replies = split();
  /** Commands that have no reply yet. */
  const asked: (Pick<Exchanged, 'script' | 'node'> | undefined)[] = [];
  return ({ direction, bytes }) => {
    if (direction === 'in') {
      const found = commands(bytes).map(scriptOf);
      asked.push(...found);
      return found.flatMap((one) => (one === undefined ? [] : [{ ...one, what: 'command' as const }]));
    }
    const answered = replies(bytes).map(() => asked.shift());
    return answered.flatMap((one) => (one === undefined ? [] : [{ ...one, what: 'reply' as const }]));
  };
}

/** The script that a command runs, which is known by its digest, and the spool's key. */
function scriptOf(command: Buffer): Pick<Exchanged, 'script' | 'node'> | undefined {
  const head = command.toString('latin1', 0, 300);
  const [, digest = ''] = /\r\nevalsha\r\n\$40\r\n([0-9a-f]{40})\r\n/i.exec(head) ?? [];
  const [, node] = /\{postern:([^}]+)\}:spool\r\n/.exec(head) ?? [];
  const script = names.get(digest);
  return script === undefined || node === undefined ? undefined : { script, node };
}

/** Cuts a stream into whole values. */
function split(): (bytes: Uint8Array) => Buffer[] {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([rest, bytes]);
    const values: Buffer[] = [];
    for (let end = valueEnd(rest, 0); end !== undefined; end = valueEnd(rest, 0)) {
      values.push(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    return values;
  };
}

/** Where the value at `at` ends; nothing when not all of it is there. */
function valueEnd(bytes: Buffer, at: number): number | undefined {
  const mark = bytes.indexOf('\r\n', at);
  if (mark < 0) return undefined;
  const type = String.fromCharCode(bytes[at] ?? 0);
  const count = Number(bytes.toString('latin1', at + 1, mark));
  let end: number | undefined = mark + 2;
  if (type === '$' && count >= 0) end += count + 2;
  if (type === '*') for (let n = 0; n < count && end !== undefined; n++) end = valueEnd(bytes, end);
  return end === undefined || end > bytes.length ? undefined : end;
}
