import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fieldsNamed, parseHeader } from '@postern/protocol/sealed';
import libmime from 'libmime';
import { absent } from '../cache.ts';
import { ClientError } from '../errors.ts';
import type { Keys } from '../keys/index.ts';
import { open } from './open.ts';

/** What a person knows a message by. */
export interface Described {
  readonly subject?: string;
  readonly to?: string;
}

/** From the author's copy of a set, as far as there is one and a key at hand opens it. */
export async function describeCopy(
  set: string,
  { sent, keys, now }: { sent: string; keys: Keys; now: Date },
): Promise<Described> {
  const copy = await readFile(join(sent, `${set}.eml`)).catch(absent);
  if (copy === undefined) return {};
  const opened = await open(copy, { keys, now }).catch(unlessFault);
  if (opened?.kind !== 'opened') return {};
  const header = parseHeader(opened.message);
  if (header.kind === 'refused') return {};
  const value = (name: string): string | undefined => {
    const [field] = fieldsNamed(header.fields, name);
    return field && libmime.decodeWords(field.value.replace(/\r?\n/g, '')).replace(/\s+/g, ' ').trim();
  };
  const [subject, to] = [value('subject'), value('to')];
  return { ...(subject === undefined ? {} : { subject }), ...(to === undefined ? {} : { to }) };
}

/** Without a key, or without its passphrase, the report is told all the same. */
function unlessFault(error: unknown): undefined {
  if (!(error instanceof ClientError)) throw error;
}
