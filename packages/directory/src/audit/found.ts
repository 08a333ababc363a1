import type { Finding } from './findings.ts';

/** What was found, and who is given up: each has no end of what is amiss, and more would say nothing new. */
export interface Found {
  /** In the order in which it was found, each once. */
  readonly all: readonly Finding[];
  add(finding: Finding): void;
  /** What is no finding by itself, but must not go on for ever. */
  failed(url: string): void;
  /** A URL has not answered, for which everybody has waited. */
  unanswered(url: string): void;
  /** Whether a URL is asked nothing any more. */
  isGivenUp(url: string): boolean;
}

/** After so many findings about a URL, or about what an authority has signed, there are no more. */
const mostFindings = 256;

/** A URL that has not answered so often is asked no more. */
const mostUnanswered = 16;

/** Of an authority so much evidence is kept: each may be of the longest documents. */
const mostEvidence = 4;

export function createFound(): Found {
  const all = new Map<string, Finding>();
  const counts = new Map<string, number>();
  const givenUp = new Set<string>();
  const count = (what: string): number => {
    const counted = (counts.get(what) ?? 0) + 1;
    counts.set(what, counted);
    return counted;
  };
  const keep = (finding: Finding): void => {
    const key = keyOf(finding);
    if (!all.has(key)) all.set(key, finding);
  };
  const amiss = (url: string): void => {
    if (givenUp.has(url) || count(`amiss ${url}`) < mostFindings) return;
    givenUp.add(url);
    const detail = 'there is too much amiss with it; the rest was not looked at';
    keep({ url, reason: 'too-many', detail });
  };
  /** What authorities do says nothing against the URL that has kept it. */
  const addOf = (authority: string, finding: Finding): void => {
    const counted = count(`signed ${authority}`);
    const { evidence: _, ...bare } = finding;
    if (counted <= mostEvidence) keep(finding);
    else if (counted < mostFindings) keep(bare);
    if (counted !== mostFindings) return;
    const detail = `${authority} has signed two of one kind again and again; no more of it is told`;
    keep({ url: finding.url, reason: 'too-many', detail, authority });
  };
  return {
    get all() {
      return [...all.values()];
    },
    add(finding) {
      const { url, authority } = finding;
      if (givenUp.has(url) && authority === undefined) return;
      if (all.has(keyOf(finding))) return;
      if (authority !== undefined) return addOf(authority, finding);
      keep(finding);
      amiss(url);
    },
    failed: amiss,
    unanswered(url) {
      if (givenUp.has(url) || count(`unanswered ${url}`) < mostUnanswered) return;
      givenUp.add(url);
      const detail = 'it does not answer, again and again; the rest was not looked at';
      keep({ url, reason: 'not-served', detail });
    },
    isGivenUp: (url) => givenUp.has(url),
  };
}

function keyOf({ url, reason, epoch, detail }: Finding): string {
  return JSON.stringify([url, reason, epoch, detail]);
}
