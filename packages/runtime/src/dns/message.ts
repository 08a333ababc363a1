import { type Name, nameToWire, readName } from './name.ts';
import { types } from './types.ts';

/** RFC 1035 section 4, as far as a stub needs it. */
export interface Message {
  readonly id: number;
  readonly truncated: boolean;
  /** The AD bit (RFC 4035 section 3.2.3). */
  readonly authentic: boolean;
  /** With the upper bits that EDNS brings (RFC 6891 section 6.1.3). */
  readonly rcode: number;
  /** Absent when there is none, as some servers answer what they do not understand. */
  readonly question: Question | undefined;
  readonly answer: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
  /** Extended DNS Errors (RFC 8914). */
  readonly extendedErrors: readonly number[];
}

export interface Question {
  readonly name: Name;
  readonly type: number;
}

/** Of class IN; others are dropped. */
export interface ResourceRecord {
  readonly name: Name;
  readonly type: number;
  readonly ttl: number;
  /** Names in it are uncompressed and in lower case where RFC 4034 section 6.2 signs them so. */
  readonly data: Uint8Array;
}

export const rcodes = { noError: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const;

/** A question with EDNS and the DO bit (RFC 3225). `checkingDisabled`: whatever there is, validated or not. */
export function encodeQuery(
  p: Question & { readonly id: number; readonly checkingDisabled: boolean },
): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(p.id, 0);
  header.writeUInt16BE(recursionDesired | adBit | (p.checkingDisabled ? cdBit : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(1, 10);
  const question = Buffer.concat([nameToWire(p.name), Buffer.from([p.type >> 8, p.type & 0xff, 0, 1])]);
  const opt = Buffer.from([0, 0, types.OPT, udpPayload >> 8, udpPayload & 0xff, 0, 0, 0x80, 0, 0, 0]);
  return Buffer.concat([header, question, opt]);
}

/** `undefined` for whatever is no answer: cut short, with names that loop, or no response at all. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  if (bytes.length < 12) return undefined;
  const view = viewOf(bytes);
  const flags = view.getUint16(2);
  const opcode = (flags >> 11) & 15;
  const questions = view.getUint16(4);
  if ((flags & responseBit) === 0 || opcode !== 0 || questions > 1) return undefined;
  let offset = 12;
  let question: Question | undefined;
  if (questions === 1) {
    const read = readName(bytes, offset);
    if (read === undefined || read.next + 4 > bytes.length) return undefined;
    question = { name: read.name, type: view.getUint16(read.next) };
    offset = read.next + 4;
  }
  const truncated = (flags & truncatedBit) !== 0;
  const sections: ResourceRecord[][] = [];
  let opt: Opt | undefined;
  for (const place of [6, 8, 10]) {
    const records: ResourceRecord[] = [];
    for (let left = view.getUint16(place); left > 0; left -= 1) {
      const read = readRecord(bytes, view, offset);
      // What is cut off behind TC is asked for again over TCP.
      if (read === undefined && truncated) break;
      if (read === undefined) return undefined;
      offset = read.next;
      if (read.opt !== undefined) opt = read.opt;
      if (read.record !== undefined) records.push(read.record);
    }
    sections.push(records);
  }
  const [answer = [], authority = []] = sections;
  return {
    id: view.getUint16(0),
    truncated,
    authentic: (flags & adBit) !== 0,
    rcode: (flags & 15) | ((opt?.upperRcode ?? 0) << 4),
    question,
    answer,
    authority,
    extendedErrors: opt?.errors ?? [],
  };
}

const responseBit = 0x8000;
const truncatedBit = 0x0200;
const recursionDesired = 0x0100;
const adBit = 0x0020;
const cdBit = 0x0010;
/** What gets through without fragments nearly everywhere (DNS Flag Day 2020). */
const udpPayload = 1232;
const classIn = 1;
const extendedErrorOption = 15;

interface Opt {
  readonly upperRcode: number;
  readonly errors: readonly number[];
}

interface ReadRecord {
  readonly next: number;
  readonly record?: ResourceRecord;
  readonly opt?: Opt;
}

function readRecord(bytes: Uint8Array, view: DataView, offset: number): ReadRecord | undefined {
  const owner = readName(bytes, offset);
  if (owner === undefined || owner.next + 10 > bytes.length) return undefined;
  const type = view.getUint16(owner.next);
  const start = owner.next + 10;
  const next = start + view.getUint16(owner.next + 8);
  if (next > bytes.length) return undefined;
  if (type === types.OPT) {
    const errors = readExtendedErrors(bytes.subarray(start, next));
    return errors && { next, opt: { upperRcode: view.getUint8(owner.next + 4), errors } };
  }
  if (view.getUint16(owner.next + 2) !== classIn) return { next };
  const ttl = view.getUint32(owner.next + 4);
  const data = canonicalData(bytes, type, start, next);
  // A TTL with the first bit set counts as zero (RFC 2181 section 8).
  return data && { next, record: { name: owner.name, type, ttl: ttl > 0x7fffffff ? 0 : ttl, data } };
}

function readExtendedErrors(data: Uint8Array): number[] | undefined {
  const view = viewOf(data);
  const errors: number[] = [];
  for (let at = 0; at < data.length; ) {
    if (at + 4 > data.length) return undefined;
    const length = view.getUint16(at + 2);
    if (at + 4 + length > data.length) return undefined;
    if (view.getUint16(at) === extendedErrorOption && length >= 2) errors.push(view.getUint16(at + 4));
    at += 4 + length;
  }
  return errors;
}

/** Where names that may be compressed lie in the data: octets before them, and how many. */
const namesIn: ReadonlyMap<number, { readonly before: number; readonly names: number }> = new Map([
  [types.NS, { before: 0, names: 1 }],
  [types.CNAME, { before: 0, names: 1 }],
  [types.DNAME, { before: 0, names: 1 }],
  [types.MX, { before: 2, names: 1 }],
  [types.SOA, { before: 0, names: 2 }],
]);

function canonicalData(bytes: Uint8Array, type: number, start: number, end: number): Uint8Array | undefined {
  const shape = namesIn.get(type);
  if (shape === undefined) return bytes.subarray(start, end);
  const parts = [bytes.subarray(start, start + shape.before)];
  let at = start + shape.before;
  for (let left = shape.names; left > 0; left -= 1) {
    const read = readName(bytes, at);
    if (read === undefined) return undefined;
    parts.push(nameToWire(read.name));
    at = read.next;
  }
  return at > end ? undefined : Buffer.concat([...parts, bytes.subarray(at, end)]);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
