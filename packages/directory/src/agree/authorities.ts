import {
  type AuthorityKey,
  formatAuthorityKey,
  isSameAuthority,
  parseAuthorityKey,
  type Trust,
} from '@postern/protocol/consensus';
import type { ToldAuthorities } from '../ballots.ts';

/** Which authorities one goes by, and how many of them have to sign: who goes by others counts otherwise (spec agreement 10). */
export type Authorities = Pick<Trust, 'authorities' | 'threshold'>;

/** Longest answer that tells them, bytes. */
export const maxAuthoritiesBytes = 65_536;

/** Names that an alarm lists: whoever makes some up has no end of them. */
const mostNames = 9;

export function tellAuthorities({ authorities, threshold }: Authorities): ToldAuthorities {
  return { authorities: authorities.map(formatAuthorityKey).sort(), threshold };
}

/** What another authority has told; undefined when it is nothing of the kind. */
export function readAuthorities(text: string): Authorities | undefined {
  try {
    const told = JSON.parse(text) as Partial<Record<keyof ToldAuthorities, unknown>>;
    const { authorities, threshold } = told;
    if (!Array.isArray(authorities) || !Number.isSafeInteger(threshold)) return undefined;
    return { authorities: authorities.map(String).map(parseAuthorityKey), threshold: Number(threshold) };
  } catch {
    return undefined;
  }
}

/** In what those of another authority differ from the ones here, in words; nothing when they are the same. */
export function tellOthers(own: Authorities, other: Authorities): string[] {
  const lacked = namesOf(own.authorities, other.authorities);
  const besides = namesOf(other.authorities, own.authorities);
  return [
    ...(lacked === '' ? [] : [`its authorities lack ${lacked}`]),
    ...(besides === '' ? [] : [`its authorities have ${besides} besides`]),
    ...(own.threshold === other.threshold
      ? []
      : [`its threshold is ${other.threshold}, and ${own.threshold} here`]),
  ];
}

/** What a key begins with: name and key id. */
export function shortKey(key: AuthorityKey): string {
  return formatAuthorityKey(key).split('+').slice(0, 2).join('+');
}

/** Of those that are in one list and not in another: what their keys begin with. */
function namesOf(list: readonly AuthorityKey[], other: readonly AuthorityKey[]): string {
  const names = list.filter((one) => !other.some((same) => isSameAuthority(one, same))).map(shortKey);
  return names.slice(0, mostNames).join(', ') + (names.length > mostNames ? ' and more' : '');
}
