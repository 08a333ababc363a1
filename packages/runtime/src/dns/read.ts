import { type Answer, failed, type RecordType, type RecordTypes } from './answer.ts';
import { readData } from './data.ts';
import { type Message, type ResourceRecord, rcodes, viewOf } from './message.ts';
import { type Name, readName } from './name.ts';
import { types } from './types.ts';

/** How many CNAMEs lead to an answer, at most. */
export const longestChain = 8;

/** What a message says to a question, CNAMEs inside it followed. Its rcode is one of an answer. */
export function readAnswer<T extends RecordType>(
  message: Message,
  name: Name,
  type: T,
  secure: boolean,
): Answer<T> {
  let owner = name;
  const ttls: number[] = [];
  for (let links = 0; links <= longestChain; links += 1) {
    const records = recordsAt(message.answer, owner, types[type]);
    if (records.length > 0) {
      const values = readAll(type, records);
      return values === undefined
        ? failed('malformed')
        : {
            kind: 'found',
            secure,
            records: values,
            ttlSeconds: Math.min(...ttls, ...records.map(({ ttl }) => ttl)),
          };
    }
    const aliases = recordsAt(message.answer, owner, types.CNAME);
    const [alias] = aliases;
    if (alias === undefined) {
      const ttlSeconds = Math.min(...ttls, negativeTtl(message));
      return { kind: 'none', secure, ttlSeconds };
    }
    const target = readName(alias.data, 0);
    if (target === undefined || aliases.length > 1) return failed('malformed');
    owner = target.name;
    ttls.push(alias.ttl);
  }
  return failed('malformed');
}

export function isAnswer({ rcode }: Message): boolean {
  return rcode === rcodes.noError || rcode === rcodes.nxDomain;
}

export function recordsAt(
  records: readonly ResourceRecord[],
  name: Name,
  type: number,
): readonly ResourceRecord[] {
  return records.filter((record) => record.name === name && record.type === type);
}

export function readAll<T extends RecordType>(
  type: T,
  records: readonly ResourceRecord[],
): RecordTypes[T][] | undefined {
  const values = records.map(({ data }) => readData(type, data));
  return values.every((value) => value !== undefined) ? values : undefined;
}

/** RFC 2308 section 5; zero without an SOA record. */
export function negativeTtl({ authority }: Message): number {
  const soa = authority.find(({ type }) => type === types.SOA);
  return soa === undefined || soa.data.length < 4
    ? 0
    : Math.min(soa.ttl, viewOf(soa.data).getUint32(soa.data.length - 4));
}
