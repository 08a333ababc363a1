import {
  type AuthorityKey,
  maxConsensusLength,
  maxDescriptorLength,
  type SigningKey,
  verifyCertificate,
} from '@postern/protocol/consensus';
import {
  decodeBundle,
  formatTileName,
  type Leaf,
  maxCheckpointLength,
  maxLeafBytes,
  type TileName,
  tileWidth,
} from '@postern/protocol/log';
import { readRecord } from '../agree/record.ts';
import { type AskOptions, ask, askBytes } from '../ask.ts';
import type { AgreementRecord } from '../ballots.ts';
import { maxAllCertificatesBytes } from '../notes.ts';

/** What a URL serves of a history, unverified. Everything throws `NotServed` when it is not to be had. */
export interface Served {
  readonly url: string;
  checkpoint(): Promise<string>;
  /** The newest consensus; undefined while there is none. */
  newest(): Promise<string | undefined>;
  document(epoch: number): Promise<string>;
  /** What was said in the agreement on an epoch; undefined when that is not kept there. */
  record(epoch: number): Promise<AgreementRecord | undefined>;
  descriptor(digest: string): Promise<string>;
  bundle(name: TileName): Promise<Leaf[]>;
  tile(name: TileName): Promise<Uint8Array>;
  /** Those certificates that hold, of past signing keys too. */
  certificates(authorities: readonly AuthorityKey[]): Promise<Certified[]>;
}

/** A signing key, and the note that certifies it. */
export interface Certified {
  readonly key: SigningKey;
  readonly signed: string;
}

/** Something that a complete history has is not to be had from a URL. */
export class NotServed extends Error {
  override readonly name = 'NotServed';
}

/** Largest record of an agreement read, bytes: a vote and a reveal of each of so many authorities as there may be, of the longest. */
const maxRecordBytes = 134_217_728;

export function openServed(url: string, options: AskOptions): Served {
  const textOf = async (path: string, maxBytes: number, none?: number): Promise<string | undefined> => {
    const answer = await ask(`${url}${path}`, { ...options, maxBytes });
    if (answer.kind === 'answer' && answer.status === none) return undefined;
    if (answer.kind === 'answer' && answer.status === 200) return answer.text;
    throw new NotServed(`${path} is not to be had: ${whyOf(answer)}`);
  };
  const always = async (path: string, maxBytes: number): Promise<string> =>
    (await textOf(path, maxBytes)) as string;
  const tile = async (name: TileName): Promise<Uint8Array> => {
    const path = `/v1/log/tile/${formatTileName(name)}`;
    const maxBytes = tileWidth * (maxLeafBytes + 2);
    const answer = await askBytes(`${url}${path}`, { ...options, maxBytes });
    if (answer.kind === 'answer' && answer.status === 200) return answer.bytes;
    throw new NotServed(`${path} is not to be had: ${whyOf(answer)}`);
  };
  return {
    url,
    checkpoint: () => always('/v1/log/checkpoint', maxCheckpointLength),
    newest: () => textOf('/v1/consensus', maxConsensusLength, 503),
    document: (epoch) => always(`/v1/consensus/${epoch}`, maxConsensusLength),
    async record(epoch) {
      const text = await textOf(`/v1/agreement/${epoch}`, maxRecordBytes, 404);
      if (text === undefined) return undefined;
      return readRecord(epoch, text) ?? fail(`/v1/agreement/${epoch} is no record`);
    },
    descriptor: (digest) => always(`/v1/descriptors/${digest}`, maxDescriptorLength * 3),
    async bundle(name) {
      const leaves = decodeBundle(name, await tile(name));
      if (leaves === undefined) throw new NotServed(`${formatTileName(name)} is no bundle of leaves`);
      return leaves;
    },
    tile,
    async certificates(authorities) {
      const notes = notesIn(await always('/v1/certificates/all', maxAllCertificatesBytes));
      return notes.flatMap((signed) => {
        const verified = verifyCertificate(signed, { authorities });
        return verified.kind === 'certificate' ? [{ key: verified.key, signed }] : [];
      });
    },
  };
}

function notesIn(text: string): string[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list.filter((one) => typeof one === 'string');
  } catch {
    // told below
  }
  throw new NotServed('/v1/certificates/all is no list of certificates');
}

function whyOf(answer: Awaited<ReturnType<typeof askBytes>> | Awaited<ReturnType<typeof ask>>): string {
  if (answer.kind === 'unreachable') return answer.why;
  return answer.kind === 'answer' ? `answered ${answer.status}` : 'its answer is too long';
}

function fail(why: string): never {
  throw new NotServed(why);
}
