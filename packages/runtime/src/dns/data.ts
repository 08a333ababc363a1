import type { RecordType, RecordTypes } from './answer.ts';
import { viewOf } from './message.ts';
import { readName } from './name.ts';

/** A record's data as values; `undefined` for what is none of its type. */
export function readData<T extends RecordType>(type: T, data: Uint8Array): RecordTypes[T] | undefined {
  return readers[type](data);
}

const readers: { readonly [T in RecordType]: (data: Uint8Array) => RecordTypes[T] | undefined } = {
  TXT(data) {
    const strings: string[] = [];
    for (let at = 0; at < data.length; ) {
      const end = at + 1 + (data[at] ?? 0);
      if (end > data.length) return undefined;
      strings.push(Buffer.from(data.subarray(at + 1, end)).toString('latin1'));
      at = end;
    }
    return strings.length === 0 ? undefined : { strings };
  },
  // A copy: the message that it is cut from is not kept with it.
  OPENPGPKEY: (data) => (data.length === 0 ? undefined : { certificate: Uint8Array.from(data) }),
  TLSA(data) {
    const [usage, selector, matching, ...rest] = data;
    if (usage === undefined || selector === undefined || matching === undefined) return undefined;
    return { usage, selector, matching, data: Uint8Array.from(rest) };
  },
  MX(data) {
    const read = data.length < 2 ? undefined : readName(data, 2);
    return read?.next === data.length
      ? { preference: viewOf(data).getUint16(0), exchange: read.name }
      : undefined;
  },
  A: (data) => (data.length === 4 ? { address: data.join('.') } : undefined),
  AAAA(data) {
    if (data.length !== 16) return undefined;
    const view = viewOf(data);
    const groups = Array.from({ length: 8 }, (_, at) => view.getUint16(at * 2).toString(16));
    // The URL parser knows how an address is shortened (RFC 5952).
    return { address: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1) };
  },
};
