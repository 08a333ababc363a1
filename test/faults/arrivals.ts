import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readControl } from '@postern/runtime';
import { clientOf, type NetworkFile, type Person, type SeededRandom } from '@postern/testkit';
import { nodesOf } from './evidence.ts';
import { messageOf, numberIn, type Parcel } from './traffic.ts';

/** What came of the parcels. */
export interface Tally {
  /** Parcels that lie, byte for byte and well signed, in their recipient's Maildir. */
  readonly delivered: number;
  /** Copies beyond the first. */
  readonly duplicates: number;
  /** Parcels that lie nowhere. */
  readonly lost: number;
  /** Files that are no intact parcel at the place where it belongs, and why. */
  readonly wrong: readonly string[];
}

/** How many files lie in everybody's Maildirs. */
export async function countFiles(people: readonly Person[]): Promise<number> {
  const lists = await Promise.all(people.map(files));
  return lists.flat().length;
}

/** Opens everything in every Maildir with its owner's key, and matches it to what was sent. */
export async function tally(
  parcels: readonly Parcel[],
  people: readonly Person[],
  random: SeededRandom,
): Promise<Tally> {
  const copies = new Map<number, number>();
  const wrong: string[] = [];
  for (const person of people) {
    await using client = clientOf(person);
    for (const path of await files(person)) {
      const opened = await client.open(await readFile(path));
      const found = opened.kind === 'opened' ? parcels[numberIn(opened.message) ?? -1] : undefined;
      const flaw =
        opened.kind !== 'opened'
          ? opened.kind === 'refused'
            ? opened.reason
            : 'a report'
          : found === undefined
            ? 'no parcel'
            : found.recipient !== person
              ? 'another’s parcel'
              : !messageOf(found, random).equals(opened.message)
                ? 'other bytes'
                : !opened.vouched
                  ? `signature ${opened.verdict.kind}`
                  : undefined;
      if (flaw !== undefined || found === undefined) wrong.push(`${path}: ${flaw}`);
      else copies.set(found.number, (copies.get(found.number) ?? 0) + 1);
    }
  }
  const arrived = [...copies.values()].reduce((sum, count) => sum + count, 0);
  return {
    delivered: copies.size,
    duplicates: arrived - copies.size,
    lost: parcels.length - copies.size,
    wrong,
  };
}

/** What lies in all spools together: the number of rows of any kind. */
export async function inSpools(network: NetworkFile): Promise<number> {
  const statuses = await Promise.all(
    nodesOf(network).map(async ({ dataDir }) =>
      JSON.parse(await readControl(join(dataDir, 'control.sock'), '/status')),
    ),
  );
  return statuses
    .flatMap(({ counts }: { counts: Record<string, number> }) => Object.values(counts))
    .reduce((sum, count) => sum + count, 0);
}

async function files({ maildir }: Person): Promise<string[]> {
  const lists = await Promise.all(
    ['new', 'cur'].map(async (folder) =>
      (await readdir(join(maildir, folder))).map((name) => join(maildir, folder, name)),
    ),
  );
  return lists.flat();
}
