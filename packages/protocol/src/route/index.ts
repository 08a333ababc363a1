export { chooseRoute, planRoutes, type Route, type RoutePlan } from './choose.ts';
export {
  type Constraints,
  type Exclusion,
  type Layer,
  type Refusal,
  type RefusalReason,
  unmatchedNames,
} from './constraints.ts';
export { type ExplainedLayer, type Explanation, explainRoute } from './explain.ts';
