import { verifyCheckpoint } from '@postern/protocol/consensus';
import {
  decodeBundle,
  formatTileName,
  type Leaf,
  maxCheckpointLength,
  maxLeafBytes,
  type TileName,
  tileWidth,
} from '@postern/protocol/log';
import { shuffled } from '@postern/protocol/primitives';
import { ask, askBytes } from '../ask.ts';
import { collectParameters, type Directory, type Held, trustOf } from './collect.ts';
import type { Keeper } from './keeper.ts';
import type { Outages } from './outages.ts';

/** What a reader has, or can have, as it was signed: for those who serve it to others. */
export interface Archive {
  /** Consensuses taken of late, and one fetched ahead, by epoch; none while they are not to be used. */
  documents(): ReadonlyMap<number, Held>;
  certificates(): readonly string[];
  /** Notices of outages that count now, fetched when they are not of late. */
  outages(): Promise<readonly string[]>;
  /** The parameters as the directory serves them now; undefined when it gives none that hold. */
  parameters(): Promise<string | undefined>;
  /** The head of the log, as an authority has signed it, and the note; undefined when there is none that holds. */
  checkpoint(): Promise<
    { readonly size: number; readonly root: string; readonly signed: string } | undefined
  >;
  /** Who has the log, in random order: the leaves of a bundle from each, unverified; undefined when it is not to be had there. */
  logs(): readonly ((bundle: TileName) => Promise<readonly Leaf[] | undefined>)[];
}

export function openArchive(
  directory: Directory,
  {
    keeper,
    outages,
    now,
  }: { readonly keeper: Keeper; readonly outages: Outages; readonly now: () => number },
): Archive {
  const urls = (): string[] => shuffled(directory.urls, directory.random);
  const maxBytes = tileWidth * (maxLeafBytes + 2);
  const fetchBundle = async (url: string, name: TileName): Promise<readonly Leaf[] | undefined> => {
    const path = `${url}/v1/log/tile/${formatTileName(name)}`;
    const answer = await askBytes(path, { ...directory, maxBytes });
    return answer.kind === 'answer' && answer.status === 200 ? decodeBundle(name, answer.bytes) : undefined;
  };
  return {
    documents: () => keeper.documents(),
    certificates: () => directory.certificates.held().map(({ signed }) => signed),
    outages: () => outages.notices(),
    parameters: async () => (await collectParameters(directory, now)).found?.signed,
    async checkpoint() {
      for (const url of urls()) {
        const question = { ...directory, maxBytes: maxCheckpointLength };
        const answer = await ask(`${url}/v1/log/checkpoint`, question);
        if (answer.kind !== 'answer' || answer.status !== 200) continue;
        const verified = verifyCheckpoint(answer.text, { ...trustOf(directory), now: now() });
        if (verified.kind === 'checkpoint') return { ...verified.head, signed: answer.text };
      }
      return undefined;
    },
    logs: () =>
      urls().map((url) => async (name) => {
        const partial = await fetchBundle(url, name);
        // a copy of a log may have the full bundle alone once there is one
        const isPartial = name.width < tileWidth;
        const full =
          partial ?? (isPartial ? await fetchBundle(url, { ...name, width: tileWidth }) : undefined);
        return full?.slice(0, name.width);
      }),
  };
}
