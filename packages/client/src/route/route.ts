import type { Consensus } from '@postern/protocol/consensus';
import {
  type Constraints,
  type Explanation,
  explainRoute,
  planRoutes,
  type Refusal,
  type RoutePlan,
} from '@postern/protocol/route';
import type { ClientConfig } from '../config.ts';

/** What the configuration asks of every path, and what one command adds to it. */
export function mergeConstraints(config: ClientConfig['route'], given: Constraints = {}): Constraints {
  const include = given.include ?? [];
  return {
    include: include.length > 0 ? include : config.include,
    exclude: [...config.exclude, ...(given.exclude ?? [])],
    pinned: given.pinned ?? [],
  };
}

export interface Plan {
  readonly routes: RoutePlan | Refusal;
  readonly explanation: Explanation;
}

/** The paths that are possible now, and what can be said of them. */
export function plan(consensus: Consensus, constraints: Constraints, meanDelayMs: number): Plan {
  return {
    routes: planRoutes(consensus, constraints),
    explanation: explainRoute(consensus, constraints, meanDelayMs),
  };
}
