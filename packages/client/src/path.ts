import type { VerifiedConsensus } from '@postern/directory/client';
import { type Consensus, keyEpochsHeld, type NodeEntry } from '@postern/protocol/consensus';
import { type Constraints, unmatchedNames } from '@postern/protocol/route';
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

export type Path =
  | {
      readonly kind: 'path';
      readonly mixing: Mixing;
      readonly problems: readonly [];
      /** What in the configuration names no mix. */
      readonly warnings: readonly string[];
    }
  | { readonly kind: 'none'; readonly problems: readonly Problem[] };

/** How packets may travel now, or what keeps them from it. */
export function pathOf(
  { consensus, geometry }: VerifiedConsensus,
  options: PathOptions,
  config: ClientConfig,
  { now, account }: { readonly now: Date; readonly account: boolean },
): Path {
  const meanDelayMs = options.meanDelayMs ?? config.send.meanDelayMs ?? consensus.meanDelayMs;
  const asked = mergeConstraints(config.route, options.constraints);
  const closed = account ? closedToOrdinaryMail(consensus) : [];
  const constraints = { ...asked, exclude: [...(asked.exclude ?? []), ...closed] };
  const { routes } = plan(consensus, constraints, meanDelayMs);
  const handOverEnd = (consensus.epoch + 1 + keyEpochsHeld - 0.5) * consensus.epochSeconds * 1000;
  const era: Era = {
    geometry,
    epoch: consensus.epoch,
    handOverEnd,
    longestDelayMs: (handOverEnd - now.getTime()) / 2,
  };
  const problems = unknownMixes(consensus, options.constraints);
  if (
    routes.kind === 'refused' &&
    closed.length > 0 &&
    plan(consensus, asked, meanDelayMs).routes.kind === 'plan'
  ) {
    problems.push(noFirstMix);
  } else if (routes.kind === 'refused' && problems.length === 0) {
    const message = `there is no path: ${describeRefusal(routes)}`;
    const hint =
      'See which mixes there are with postern route --explain, and loosen include, exclude or pins.';
    problems.push({ code: 'no-route', message, hint, exitCode: ExitCode.dataError });
  }
  if (4 * geometry.hops * meanDelayMs > era.longestDelayMs) {
    const message = `a mean delay of ${meanDelayMs} ms at each of ${geometry.hops} hops outlasts the mixes’ keys`;
    const hint = `Choose at most ${Math.floor(era.longestDelayMs / 4 / geometry.hops)} ms: --mean-delay or send.mean_delay.`;
    problems.push({ code: 'delay-too-long', message, hint, exitCode: ExitCode.dataError });
  }
  if (routes.kind === 'refused' || problems.length > 0) return { kind: 'none', problems };
  const warnings = unmatchedNames(consensus, config.route).map(
    (name) => `no node of the consensus is called ${name}, as route in the configuration says`,
  );
  return { kind: 'path', mixing: { era, routes, meanDelayMs }, problems: [], warnings };
}

const noFirstMix: Problem = {
  code: 'no-route',
  message:
    'no first mix of the consensus can be reached by ordinary mail, which is all that the provider of your account can send',
  hint: 'Such a mix listens on port 25 of the host of its own name. Send with --mode direct, or leave [submission] out: packets then go straight to their first mixes.',
  exitCode: ExitCode.dataError,
};

/** The mixes of the first layer that a provider cannot find. By id. */
export function closedToOrdinaryMail({ nodes }: Consensus): string[] {
  return nodes.filter((node) => node.layer === 1 && !isOpenToOrdinaryMail(node)).map(({ id }) => id);
}

// spec route 2.4
/** Whether a mail server that knows the node's name alone finds it: on port 25 there, as of any domain without MX. */
export function isOpenToOrdinaryMail({ name, smtp }: Pick<NodeEntry, 'name' | 'smtp'>): boolean {
  return smtp.port === 25 && smtp.host.toLowerCase() === name;
}

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
    hint: 'See which mixes there are with: postern route',
    exitCode: ExitCode.usage,
  }));
}
