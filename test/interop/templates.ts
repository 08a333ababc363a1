import { readFile } from 'node:fs/promises';

/** A configuration of `infra`, as an operator takes it, with its placeholders filled in. Each must have a value. */
export async function fillIn(path: string, values: Readonly<Record<string, string>>): Promise<string> {
  const template = await readFile(new URL(`../../infra/${path}`, import.meta.url), 'utf8');
  return template.replace(/@([A-Z_]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${path}: nothing to fill in for @${name}@`);
    return value;
  });
}
