import { readFile, stat } from 'node:fs/promises';

/** Reads a file through `parse` and keeps the result for as long as the file stays the same. */
export interface FileCache<T> {
  /** The parsed file; `undefined` when there is none. */
  read(path: string): Promise<T | undefined>;
}

/** `check` sees the file's mode before its content is read, and throws when it must not be used. */
export function createFileCache<T>(
  parse: (content: Buffer, path: string) => Promise<T>,
  check: (mode: number, path: string) => void = () => undefined,
): FileCache<T> {
  const entries = new Map<string, { version: string; value: Promise<T> }>();
  return {
    async read(path) {
      const found = await stat(path, { bigint: true }).catch(absent);
      if (found === undefined) {
        entries.delete(path);
        return undefined;
      }
      check(Number(found.mode), path);
      const version = `${found.ino} ${found.size} ${found.mtimeNs}`;
      const known = entries.get(path);
      if (known?.version === version) return known.value;
      const value = readFile(path).then((content) => parse(content, path));
      entries.set(path, { version, value });
      // A file that does not parse is read anew next time.
      value.catch(() => entries.delete(path));
      return value;
    },
  };
}

/** `undefined` for a file that is not there; any other error goes on. */
export function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
}
