export { chooseRoute, planRoutes, type Route, type RoutePlan } from './choose.ts';
export {
  type Constraints,
  type Exclusion,
  isOpenToOrdinaryMail,
  type Layer,
  type Refusal,
  type RefusalReason,
  unmatchedNames,
} from './constraints.ts';
export { type ExplainedLayer, type Explanation, explainRoute, type Hindrance } from './explain.ts';
