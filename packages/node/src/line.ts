import { type Random, uniform } from '@postern/protocol/primitives';

/** Domains. */
const mostWaiting = 10_000;
const mostWaitingOfZone = 100;

/**
 * Whose name servers a domain waits for, as far as its name tells: the last two labels. One label fewer than the name has would let whoever
 * runs a zone write another label in; a list of the names below which anybody may register would have to be kept up to date. Where it is
 * wrong, as below `co.uk`, domains of several owners share few places among them.
 */
export function zoneOf(domain: string): string {
  return domain.split('.').slice(-2).join('.');
}

/**
 * Domains that wait, each once. A zone is drawn at random, and one of its domains: one zone's come before another's no more often for being
 * many. When it is full, or has enough of a zone, a newcomer takes the place of one that is drawn, who asks again.
 */
export interface Line {
  add(domain: string): void;
  /** One of a zone that `enter` lets in. */
  draw(enter: (zone: string) => boolean): string | undefined;
}

export function createLine(random: Random): Line {
  /** In no order. */
  const zones: string[] = [];
  const domainsOf = new Map<string, Set<string>>();
  let waiting = 0;
  const drawAt = (count: number): number => Math.floor(uniform(random) * count);

  const takeFrom = (domains: Set<string>): string | undefined => {
    const drawn = [...domains][drawAt(domains.size)];
    if (drawn !== undefined && domains.delete(drawn)) waiting--;
    return drawn;
  };
  const takeAt = (at: number): string | undefined => {
    const zone = zones[at] ?? '';
    const domains = domainsOf.get(zone) ?? new Set();
    const drawn = takeFrom(domains);
    if (domains.size > 0) return drawn;
    domainsOf.delete(zone);
    const last = zones.pop();
    if (last !== undefined && at < zones.length) zones[at] = last;
    return drawn;
  };

  return {
    add(domain) {
      const zone = zoneOf(domain);
      const there = domainsOf.get(zone);
      if (there?.has(domain)) return;
      if (there !== undefined && there.size >= mostWaitingOfZone) takeFrom(there);
      else if (waiting >= mostWaiting) takeAt(drawAt(zones.length));
      const domains = domainsOf.get(zone) ?? new Set();
      if (domains.size === 0) zones.push(zone);
      domainsOf.set(zone, domains.add(domain));
      waiting++;
    },
    draw(enter) {
      const from = drawAt(zones.length);
      for (let step = 0; step < zones.length; step++) {
        const at = (from + step) % zones.length;
        if (enter(zones[at] ?? '')) return takeAt(at);
      }
      return undefined;
    },
  };
}
