import {
  type AuthorityKey,
  maxCertificateLength,
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
import { maxAllCertificatesBytes, mostAllCertificates, notesIn } from '../notes.ts';

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

/** Largest record of an agreement read, bytes. Many authorities with the longest votes in several slots would have more, which is not looked at. */
const maxRecordBytes = 134_217_728;

export interface ServedOptions extends AskOptions {
  /** Called each time that it has not answered. */
  readonly unanswered?: () => void;
}

export function openServed(url: string, { unanswered, ...options }: ServedOptions): Served {
  const heard = <T extends { readonly kind: string }>(answer: T): T => {
    if (answer.kind === 'unreachable') unanswered?.();
    return answer;
  };
  const textOf = async (
    path: string,
    maxBytes: number,
    isNone: (status: number) => boolean = () => false,
  ): Promise<string | undefined> => {
    const answer = heard(await ask(`${url}${path}`, { ...options, maxBytes }));
    if (answer.kind === 'answer' && isNone(answer.status)) return undefined;
    if (answer.kind === 'answer' && answer.status === 200) return answer.text;
    throw new NotServed(`${path} is not to be had: ${whyOf(answer)}`);
  };
  const always = async (path: string, maxBytes: number): Promise<string> =>
    (await textOf(path, maxBytes)) as string;
  const tile = async (name: TileName): Promise<Uint8Array> => {
    const path = `/v1/log/tile/${formatTileName(name)}`;
    const maxBytes = tileWidth * (maxLeafBytes + 2);
    const answer = heard(await askBytes(`${url}${path}`, { ...options, maxBytes }));
    if (answer.kind === 'answer' && answer.status === 200) return answer.bytes;
    throw new NotServed(`${path} is not to be had: ${whyOf(answer)}`);
  };
  return {
    url,
    checkpoint: () => always('/v1/log/checkpoint', maxCheckpointLength),
    newest: () => textOf('/v1/consensus', maxConsensusLength, (status) => status === 503),
    document: (epoch) => always(`/v1/consensus/${epoch}`, maxConsensusLength),
    async record(epoch) {
      const text = await textOf(`/v1/agreement/${epoch}`, maxRecordBytes, isKeptNowhere);
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
      const path = '/v1/certificates/all';
      const notes = notesIn(await always(path, maxAllCertificatesBytes), maxCertificateLength);
      if (notes === undefined) throw new NotServed(`${path} is no list of certificates`);
      return notes.slice(0, mostAllCertificates).flatMap((signed) => {
        const verified = verifyCertificate(signed, { authorities });
        return verified.kind === 'certificate' ? [{ key: verified.key, signed }] : [];
      });
    },
  };
}

/** A mirror need not know what this is, and says so in one way or another. */
function isKeptNowhere(status: number): boolean {
  return status >= 400 && status < 500;
}

function whyOf(answer: Awaited<ReturnType<typeof askBytes>> | Awaited<ReturnType<typeof ask>>): string {
  if (answer.kind === 'unreachable') return answer.why;
  return answer.kind === 'answer' ? `answered ${answer.status}` : 'its answer is too long';
}

function fail(why: string): never {
  throw new NotServed(why);
}
