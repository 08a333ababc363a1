import { existsSync } from 'node:fs';
import { run } from './gnupg.ts';

/** Debian's own, where its packages are. */
export const python = '/usr/bin/python3';

export const havePython: boolean = existsSync(python);
/** python3-dkim with python3-nacl, which it needs for Ed25519. */
export const haveDkimpy: boolean = havePython && run(python, ['-c', 'import dkim, nacl.signing']).code === 0;

/** Runs a script that finds what it is given as JSON in `given`, and gives what it prints. */
export function runPython(script: string, given: unknown): string {
  const prelude = 'import base64, json, sys\ngiven = json.load(sys.stdin)\n';
  const ran = run(python, ['-c', prelude + script], JSON.stringify(given));
  if (ran.code !== 0) throw new Error(ran.stderr);
  return ran.stdout.toString('latin1');
}
