import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Inputs of one target as files, each named after its content. */
export interface CorpusFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export const corpusFolder: string = join(import.meta.dirname, 'corpus');

/** In order of their names. */
export function readCorpus(target: string, folder: string = corpusFolder): CorpusFile[] {
  const place = join(folder, target);
  if (!existsSync(place)) return [];
  return readdirSync(place)
    .sort()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(place, name))) }));
}

/** The path of the file that now holds the input. */
export function keep(target: string, input: Uint8Array, folder: string = corpusFolder): string {
  const place = join(folder, target);
  mkdirSync(place, { recursive: true });
  const path = join(place, nameOf(input));
  writeFileSync(path, input);
  return path;
}

/** The beginning of its SHA-256. */
export function nameOf(input: Uint8Array): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}
