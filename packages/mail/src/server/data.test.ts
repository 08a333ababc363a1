import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DataReader, type Received } from './data.ts';

/** Enough to meet each odd shape of input, in well under a second. */
const runs = { numRuns: 3000 };

/** Few kinds of octets, so that what ends data, and what nearly does, comes up all the time. */
const octets = fc
  .array(fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.', '\r\n.\r\n', 'x', '\0'), { maxLength: 40 })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));
const cuts = fc.array(fc.nat(60), { maxLength: 12 });

interface Outcome {
  readonly received: Received;
  readonly rest: string;
}

test('reads as one regular expression over the whole does, however it is cut', () => {
  fc.assert(
    fc.property(octets, cuts, (input, at) => {
      expect(readIn(pieces(input, at), 20)).toEqual(reference(input, 20));
    }),
    runs,
  );
});

test('any octets, stuffed, come out as they went in', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), cuts, (input, at) => {
      const lines = Buffer.from(input)
        .toString('latin1')
        .replace(/[\r\n\0]/g, ' ');
      const message = `${lines}\r\n.${lines}\r\n..\r\n`;
      const sent = Buffer.from(`${message.replace(/^\./gm, '..')}.\r\nNOOP`, 'latin1');
      expect(readIn(pieces(sent, at), 1000)).toEqual({
        received: { kind: 'message', bytes: Buffer.from(message, 'latin1') },
        rest: 'NOOP',
      });
    }),
    runs,
  );
});

test('keeps no more than the limit, however much comes', () => {
  const chunk = Buffer.alloc(1 << 16, 'x'.repeat(62).concat('\r\n'));
  const reader = new DataReader(1000);
  const before = process.memoryUsage().arrayBuffers;
  for (let sent = 0; sent < 3e8; sent += chunk.length) reader.take(chunk);
  const after = process.memoryUsage().arrayBuffers;
  expect(after - before).toBeLessThan(1e7);
  expect(reader.end()).toEqual({ kind: 'refused', fault: 'too-big' });
});

test('a chunk of bare CRs is read in linear time', () => {
  const time = (length: number): number => {
    const chunk = Buffer.alloc(length, '\r');
    const start = process.hrtime.bigint();
    new DataReader(1e9).take(chunk);
    return Number(process.hrtime.bigint() - start);
  };
  time(1 << 16);
  const small = Math.min(...[1, 2, 3].map(() => time(1 << 16)));
  const large = Math.min(...[1, 2, 3].map(() => time(1 << 20)));
  expect(large / small).toBeLessThan(100); // 16 times the octets; quadratic time would be 256 times
});

function readIn(chunks: readonly Buffer[], maxBytes: number): Outcome | undefined {
  const reader = new DataReader(maxBytes);
  for (const [index, chunk] of chunks.entries()) {
    const rest = reader.take(chunk);
    if (rest !== undefined) {
      return {
        received: reader.end(),
        rest: Buffer.concat([rest, ...chunks.slice(index + 1)]).toString('latin1'),
      };
    }
  }
  return undefined;
}

/** RFC 5321 sections 4.1.1.4 and 4.5.2, slowly. */
function reference(input: Buffer, maxBytes: number): Outcome | undefined {
  const text = input.toString('latin1');
  const end = /^\.\r\n|\r\n\.\r\n/.exec(text);
  if (end === null) return undefined;
  const body = end.index === 0 && end[0].length === 3 ? '' : text.slice(0, end.index + 2);
  const rest = text.slice(end.index + end[0].length);
  const message = body.replace(/(^|\r\n)\./g, '$1');
  const faults: Received[] = [
    ...(message.length > maxBytes ? [{ kind: 'refused', fault: 'too-big' } as const] : []),
    ...(message.includes('\0') ? [{ kind: 'refused', fault: 'nul' } as const] : []),
    ...(/\r(?!\n)|(?<!\r)\n/.test(message) ? [{ kind: 'refused', fault: 'line-ends' } as const] : []),
  ];
  const [received = { kind: 'message', bytes: Buffer.from(message, 'latin1') }] = faults;
  return { received, rest };
}

function pieces(input: Buffer, at: readonly number[]): Buffer[] {
  const ends = [...new Set(at.map((end) => Math.min(end, input.length)))].sort((a, b) => a - b);
  return [0, ...ends].map((start, index) => input.subarray(start, ends[index] ?? input.length));
}
