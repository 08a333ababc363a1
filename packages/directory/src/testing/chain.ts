import type { RequestListener } from 'node:http';
import {
  type Agenda,
  consensusDigest,
  type Descriptor,
  decodeConsensus,
  signCheckpoint,
  signConsensus,
  tabulate,
} from '@postern/protocol/consensus';
import { type Leaf, parseTileName } from '@postern/protocol/log';
import { defaultGeometry } from '@postern/protocol/packet';
import { sha256 } from '@postern/protocol/primitives';
import { registered, seeded, type TestAuthority } from '@postern/protocol/testing';
import { type ConsensusLog, openLog } from '../log/log.ts';
import { createDiffs } from '../publish/diffs.ts';
import type { Issued as Stored } from '../store.ts';
import { epochSeconds } from './clock.ts';

/** What authorities have issued, one after the other, and what they serve of it. */
export interface Chain extends Issued {
  readonly log: ConsensusLog;
  /** Issues the consensus of an epoch, of no nodes unless descriptors are given. */
  issue(epoch: number, change?: Partial<Agenda>, descriptors?: readonly Descriptor[]): string;
  /** Leaves for as many epochs as if consensuses had been issued, of which there are no documents. */
  fill(count: number): void;
  /** Another chain that has the same so far. */
  branch(): Chain;
  /** Serves all of it, with diffs to the newest, and one document for the current one, the newest unless another is given. */
  serve(current?: string): RequestListener;
}

/** What an epoch's consensus of no nodes follows from. */
export function agendaOf(epoch: number): Omit<Agenda, 'previous' | 'log'> {
  const shared = seeded(`shared ${epoch}`).bytes(32);
  return {
    epoch,
    epochSeconds,
    geometry: defaultGeometry,
    meanDelayMs: 200,
    width: { least: 10, most: 100, perMix: 1_000 },
    earlier: [],
    shared,
    revoked: [],
    votes: [],
    reveals: [],
  };
}

interface Issued {
  readonly leaves: readonly Leaf[];
  /** By epoch. */
  readonly documents: ReadonlyMap<number, string>;
}

export function createChain(
  signers: readonly TestAuthority[],
  from: Issued = { leaves: [], documents: new Map() },
): Chain {
  const leaves: Leaf[] = [...from.leaves];
  const documents = new Map(from.documents);
  const log = openLog({ leaves: (epoch) => leaves.filter((leaf) => leaf.epoch >= epoch) });
  const newest = (): string => [...documents.values()].at(-1) ?? '';
  const issued = (epoch: number): Stored | undefined => {
    const [signed, leaf] = [documents.get(epoch), leaves.find((one) => one.epoch === epoch)];
    return signed === undefined || leaf === undefined ? undefined : { ...leaf, signed };
  };
  const diffs = createDiffs({ issued });
  const diffTo = (epoch: number | undefined, from: string, current: string): string | undefined => {
    const decoded = decodeConsensus(current);
    const shown = decoded && { ...decoded, epoch: decoded.consensus.epoch, signed: current };
    const to = epoch === undefined ? shown : issued(epoch);
    return to && diffs(from, to);
  };
  return {
    log,
    leaves,
    documents,
    issue(epoch, change, descriptors = []) {
      const before = { previous: leaves.at(-1)?.digest ?? '', log: log.head() };
      const consensus = tabulate(registered(descriptors), { ...agendaOf(epoch), ...before, ...change });
      const signed = signConsensus(consensus, signers);
      leaves.push({ epoch, digest: consensusDigest(consensus) });
      documents.set(epoch, signed);
      return signed;
    },
    fill(count) {
      const first = (leaves.at(-1)?.epoch ?? -1) + 1;
      for (let epoch = first; epoch < first + count; epoch++)
        leaves.push({ epoch, digest: Buffer.from(sha256(Buffer.from(`${epoch}`))).toString('hex') });
    },
    branch: () => createChain(signers, { leaves, documents }),
    serve: (current) => (request, response) => {
      const url = request.url ?? '';
      const text = (found: string | undefined): void => {
        response
          .writeHead(found === undefined ? 404 : 200, { 'content-type': 'text/plain' })
          .end(found ?? '');
      };
      if (url === '/v1/consensus') return text(current ?? newest());
      const [, epoch, from] = /^\/v1\/consensus\/(?:(\d+)\/)?diff\/([0-9a-f]{64})$/.exec(url) ?? [];
      if (from !== undefined) {
        const at = epoch === undefined ? undefined : Number(epoch);
        return text(diffTo(at, from, current ?? newest()));
      }
      if (url === '/v1/log/checkpoint') return text(signers[0] && signCheckpoint(log.head(), signers[0]));
      if (url === '/v1/certificates/all')
        return text(JSON.stringify(signers.map(({ certificate }) => certificate)));
      if (url.startsWith('/v1/consensus/')) return text(documents.get(Number(url.split('/').at(-1))));
      const name = parseTileName(url.split('/v1/log/tile/')[1] ?? '');
      const tile = name && log.tile(name);
      response.writeHead(tile === undefined ? 404 : 200).end(tile);
    },
  };
}
