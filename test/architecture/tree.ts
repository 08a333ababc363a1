import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The repository's root. */
export const root: string = join(import.meta.dirname, '..', '..');

/** Files that git knows or would take, relative to the root, and that are there. */
export function files(...patterns: string[]): string[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', ...patterns], {
    cwd: root,
    encoding: 'utf8',
  });
  const deleted = execFileSync('git', ['ls-files', '-d', '--', ...patterns], { cwd: root, encoding: 'utf8' });
  const gone = new Set(deleted.split('\n'));
  return listed.split('\n').filter((path) => path !== '' && !gone.has(path));
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
