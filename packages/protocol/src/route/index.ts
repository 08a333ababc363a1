export { chooseRoute, planRoutes, type Route, type RoutePlan } from './choose.ts';
export type { Constraints, Exclusion, Layer, Refusal, RefusalReason } from './constraints.ts';
export { type ExplainedLayer, type Explanation, explainRoute } from './explain.ts';
