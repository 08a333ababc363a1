import type { Chunk, TappedConnection } from './tap.ts';

/** One message handed over on a wire, as whoever listens there sees it: nothing of it but its size and when it passed. */
export interface Transfer {
  /** What the sending end calls itself in EHLO, which goes before STARTTLS in the clear. */
  readonly from: string;
  /** The tap's name: who takes it. */
  readonly to: string;
  /** When the first and the last byte of the message passed. */
  readonly startedMs: number;
  readonly endedMs: number;
  /** Bytes of the message, with the dot that ends it, as the lengths of the TLS records tell. */
  readonly bytes: number;
}

/** The messages handed over on a connection, as far as they have been answered. */
export function transfersOf({ name, chunks }: TappedConnection): Transfer[] {
  const transfers: Transfer[] = [];
  const watch = watchTransfers(name, (transfer) => transfers.push(transfer));
  for (const chunk of chunks) watch(chunk);
  return transfers;
}

/** Longer than any command of ours, shorter than any message. */
const leastMessage = 4_096;

/**
 * Watches one connection, chunk after chunk, and tells of each message when it has begun to pass and when it has been answered. The data phase
 * is the one stretch of a session in which the client sends more than a few lines with no answer between.
 */
export function watchTransfers(
  name: string,
  onTransfer: (transfer: Transfer) => void,
  onBegun: (from: string) => void = () => undefined,
): (chunk: Chunk) => void {
  const records = { in: watchRecords(), out: watchRecords() };
  const from = (): string => ehloName(records.in.clear()) ?? '';
  let run: { startedMs: number; endedMs: number; bytes: number } | undefined;
  return ({ direction, bytes, atMs }) => {
    for (const contentBytes of records[direction].take(bytes)) {
      if (direction === 'in') {
        run ??= { startedMs: atMs, endedMs: atMs, bytes: 0 };
        run.endedMs = atMs;
        const before = run.bytes;
        run.bytes += contentBytes;
        if (before < leastMessage && run.bytes >= leastMessage) onBegun(from());
      } else {
        if (run !== undefined && run.bytes >= leastMessage) onTransfer({ from: from(), to: name, ...run });
        run = undefined;
      }
    }
  };
}

/** The TLS records of one direction of a connection. */
export interface Records {
  /** Bytes of content of each record of application data that these bytes complete. */
  take(bytes: Uint8Array): number[];
  /** What went before TLS. */
  clear(): Buffer;
}

/** Everything before TLS is lines of text; behind the last of them stands the first byte of a handshake record. */
const handshake = Buffer.from([0x0d, 0x0a, 22, 3]);
const headerBytes = 5;
const applicationData = 23;
/** A TLS 1.3 record is as long as its content, one byte for its type and 16 for the tag (RFC 8446 section 5.2). */
const overheadBytes = 17;

export function watchRecords(): Records {
  let clear: Buffer = Buffer.alloc(0);
  let rest: Buffer | undefined;
  return {
    clear: () => clear,
    take(bytes) {
      if (rest === undefined) {
        const text = Buffer.concat([clear, bytes]);
        const at = text.indexOf(handshake);
        clear = at < 0 ? text : text.subarray(0, at + 2);
        if (at < 0) return [];
        rest = text.subarray(at + 2);
      } else rest = rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([rest, bytes]);
      const contents: number[] = [];
      while (rest.length >= headerBytes && rest.length >= headerBytes + rest.readUInt16BE(3)) {
        const length = rest.readUInt16BE(3);
        if (rest[0] === applicationData) contents.push(Math.max(0, length - overheadBytes));
        rest = rest.subarray(headerBytes + length);
      }
      return contents;
    },
  };
}

/** What the sending end calls itself in its first EHLO, which goes before STARTTLS in the clear; over LMTP it is a LHLO. */
export function ehloName(clientBytes: Buffer): string | undefined {
  return /^(?:EHLO|LHLO) ([^\r\n ]+)\r?$/im.exec(clientBytes.toString('latin1'))?.[1];
}
