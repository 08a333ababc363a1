import type { VerifiedConsensus } from '@postern/directory/client';
import { type Consensus, keyEpochsHeld } from '@postern/protocol/consensus';
import { type Constraints, type Explanation, type Refusal, unmatchedNames } from '@postern/protocol/route';
import { ExitCode } from '@postern/runtime';
import type { ClientConfig } from './config.ts';
import type { Era, Mixing, Problem } from './message.ts';
import { describeRefusal } from './route/refusal.ts';
import { mergeConstraints, plan } from './route/route.ts';

export interface PathOptions {
  readonly constraints?: Constraints | undefined;
  /** 0 asks for no delay. */
  readonly meanDelayMs?: number | undefined;
}

export type Path = {
  readonly explanation: Explanation;
  /** What in the configuration names no mix. */
  readonly warnings: readonly string[];
} & (
  | { readonly kind: 'path'; readonly mixing: Mixing; readonly problems: readonly [] }
  | { readonly kind: 'none'; readonly problems: readonly Problem[] }
);

/** How packets may travel now, or what keeps them from it. */
export function pathOf(
  { consensus, geometry }: VerifiedConsensus,
  options: PathOptions,
  config: ClientConfig,
  { now, account, out }: { readonly now: Date; readonly account: boolean; readonly out: readonly string[] },
): Path {
  const meanDelayMs = options.meanDelayMs ?? config.send.meanDelayMs ?? consensus.meanDelayMs;
  const asked = mergeConstraints(config.route, options.constraints);
  const { routes, explanation } = plan(consensus, { ...asked, byAccount: account, out }, meanDelayMs);
  const handOverEnd = (consensus.epoch + 1 + keyEpochsHeld - 0.5) * consensus.epochSeconds * 1000;
  const era: Era = {
    geometry,
    epoch: consensus.epoch,
    handOverEnd,
    longestDelayMs: (handOverEnd - now.getTime()) / 2,
  };
  const problems = unknownMixes(consensus, options.constraints);
  const isPossible = (constraints: Constraints): boolean =>
    plan(consensus, constraints, meanDelayMs).routes.kind === 'plan';
  if (routes.kind === 'refused' && isPossible({ ...asked, byAccount: account })) {
    problems.push(outOfReach(consensus, routes, out));
  } else if (routes.kind === 'refused' && account && isPossible({ ...asked, out })) {
    problems.push(noFirstMix);
  } else if (routes.kind === 'refused' && problems.length === 0) {
    problems.push(noRoute(routes));
  }
  if (4 * geometry.hops * meanDelayMs > era.longestDelayMs) {
    const message = `a mean delay of ${meanDelayMs} ms at each of ${geometry.hops} hops outlasts the mixes’ keys`;
    const hint = `Choose at most ${Math.floor(era.longestDelayMs / 4 / geometry.hops)} ms: --mean-delay or send.mean_delay.`;
    problems.push({ code: 'delay-too-long', message, hint, exitCode: ExitCode.dataError });
  }
  const warnings = unmatchedNames(consensus, config.route).map(
    (name) => `no node of the consensus is called ${name}, as route in the configuration says`,
  );
  const told = { explanation, warnings };
  if (routes.kind === 'refused' || problems.length > 0) return { kind: 'none', problems, ...told };
  return { kind: 'path', mixing: { era, routes, meanDelayMs }, problems: [], ...told };
}

function noRoute(refusal: Refusal): Problem {
  return {
    code: 'no-route',
    message: `there is no path: ${describeRefusal(refusal)}`,
    hint: 'Loosen include, exclude or pins; postern route --explain shows each mix, and why it is left out.',
    exitCode: ExitCode.dataError,
  };
}

/** What the authorities cannot reach comes back, or the next consensus goes without it. */
function outOfReach({ nodes }: Consensus, { layer }: Refusal, out: readonly string[]): Problem {
  const missed = nodes.filter(({ id }) => out.includes(id)).map(({ name }) => name);
  const names =
    missed.length > 8 ? `${missed.slice(0, 8).join(', ')} and ${missed.length - 8} more` : missed.join(', ');
  return {
    code: 'no-route',
    message: `there is no path up to layer ${layer} now: the authorities cannot reach ${names}`,
    hint: 'Try again in some minutes. If it stays so, other constraints may leave a path; postern route --explain shows each mix, and why it is left out.',
    exitCode: ExitCode.tempFail,
  };
}

const noFirstMix: Problem = {
  code: 'no-route',
  message:
    'none of the first mixes that are left can be reached by ordinary mail, which is all that the provider of your account can send',
  hint: 'Such a mix listens on port 25 of the host of its own name. Send with --mode direct, or leave [submission] out: packets then go straight to their first mixes.',
  exitCode: ExitCode.dataError,
};

/**
 * What this message asks for by a name that no node has. A misspelt exclusion that is passed over would send packets to the very mix
 * that its author wanted to avoid.
 */
function unknownMixes(consensus: Consensus, given: Constraints = {}): Problem[] {
  const pinned = (given.pinned ?? []).filter((pin) => pin !== undefined);
  const include = [...(given.include ?? []), ...pinned];
  return unmatchedNames(consensus, { ...given, include }).map((name) => ({
    code: 'unknown-mix',
    message: `no node of the consensus is called ${name}`,
    hint: 'Without these options postern route shows which mixes there are. One that was not drawn for this epoch needs no exclusion; name it in route.exclude to keep it out of all of them.',
    exitCode: ExitCode.usage,
  }));
}
