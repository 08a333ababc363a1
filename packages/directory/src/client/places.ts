import { shuffled } from '@postern/protocol/primitives';
import type { Random } from '@postern/runtime';

/** Where a reader asks. */
export interface Place {
  readonly url: string;
  /** A node's, which nobody has configured: what is wrong there is of no matter. */
  readonly isMirror: boolean;
}

export interface Places {
  /** Those configured. */
  readonly urls: readonly string[];
  /** Whether nodes' mirrors are asked as well. */
  readonly mirrors: boolean;
  readonly random: Random;
}

/** Mirrors that are asked before those configured, which always can answer. */
const fewMirrors = 3;

/** How long a mirror is waited for, milliseconds: there are others. */
export const mirrorTimeoutMs = 10_000;

/**
 * A few of the mirrors that a consensus names, then those configured, each in random order. A mirror may be at any address that its node says, on
 * the reader's own network too: only what answers by https is asked, unless the reader has configured http, for a network of one's own.
 */
export function placesOf(
  { urls, mirrors, random }: Places,
  nodes: readonly { readonly id: string; readonly mirror?: string }[],
): Place[] {
  const schemes = urls.some((url) => url.startsWith('http:')) ? ['http:', 'https:'] : ['https:'];
  const named = mirrors
    ? nodes.flatMap(({ mirror = '' }) =>
        schemes.some((scheme) => mirror.startsWith(scheme)) ? [mirror] : [],
      )
    : [];
  const others = [...new Set(named)].filter((url) => !urls.includes(url));
  return [
    ...shuffled(others, random)
      .slice(0, fewMirrors)
      .map((url) => ({ url, isMirror: true })),
    ...shuffled(urls, random).map((url) => ({ url, isMirror: false })),
  ];
}
