import type { Consensus } from '@postern/protocol/consensus';
import type { Explanation, Hindrance } from '@postern/protocol/route';
import type { Command } from 'commander';
import { type ConstraintOptions, constraintsOf, withConstraints } from './constraints.ts';
import { type CommonOptions, type Context, openClient, print, warn } from './context.ts';
import { explainProblems, shownProblem } from './problems.ts';
import { count, table } from './table.ts';

interface RouteOptions extends CommonOptions, ConstraintOptions {
  readonly explain?: boolean;
}

export function addRoute(program: Command, context: Context): void {
  withConstraints(
    program
      .command('route')
      .description('Show which paths a message may take now.')
      .option('--explain', 'show the mixes that are left out, too, and why'),
  ).action(async (_options, command: Command) => route(command.optsWithGlobals(), context));
}

async function route(options: RouteOptions, context: Context): Promise<void> {
  await using client = openClient(context, options);
  const { consensus, explanation, problems, warnings } = await client.route(
    constraintsOf(options),
    options.meanDelay,
  );
  const { epoch, freshUntil, validUntil } = consensus;
  const layers =
    options.explain === true
      ? explanation.layers
      : explanation.layers.map(({ layer, eligible }) => ({ layer, eligible }));
  const value = {
    epoch,
    freshUntil,
    validUntil,
    ...explanation,
    layers,
    ...(problems.length === 0 ? {} : { problems: problems.map(shownProblem) }),
  };
  await print(context, options, value, textOf(consensus, explanation, options.explain === true));
  for (const warning of warnings) await warn(context, warning);
  context.exitCode = await explainProblems(context, problems);
}

function textOf(consensus: Consensus, explanation: Explanation, explain: boolean): string {
  const shown = explanation.refused === undefined || explain ? explanation.layers : [];
  const blocks = shown.map(({ layer, eligible, excluded }) => {
    const rows = eligible.map(({ name, family, probability }) => [
      `  ${name}`,
      `${(100 * probability).toFixed(2)} %`,
      family === '' ? '' : `family ${family}`,
    ]);
    const left = explain ? excluded.map((each) => [`  ${each.name}`, '0 %', reasonOf(each)]) : [];
    return `Layer ${layer}\n${table([...rows, ...left])}`;
  });
  const all = explanation.layers.reduce((sum, { eligible }) => sum + eligible.length, 0);
  const complete = explanation.layers.every(({ excluded }) => excluded.length === 0);
  const summary = [
    ...(explain && complete ? [`Left out: none of ${all} mixes`] : []),
    `Epoch ${consensus.epoch}, valid until ${new Date(consensus.validUntil * 1000).toISOString()}`,
    ...(explanation.refused === undefined ? pathsText(explanation) : []),
  ];
  return [...blocks, summary.join('\n')].join('\n\n');
}

function pathsText({ paths, expectedLatencyMs }: Explanation): string[] {
  return [
    `${count(paths, 'possible path')}, each as likely as the shares of its mixes make it`,
    `${expectedLatencyMs} ms of delay in the mixes on average; the transport between them comes on top`,
  ];
}

function reasonOf(hindrance: Hindrance): string {
  return hindrance.why === 'empty-layer'
    ? `no path: layer ${hindrance.emptyLayer} has no mix left`
    : reasons[hindrance.why];
}

const reasons = {
  excluded: 'excluded',
  'not-by-account': 'ordinary mail, which is all that your account sends, does not find it',
  'not-included': 'not among those included',
  'not-pinned': 'another mix is pinned',
  'out-of-reach': 'the authorities cannot reach it',
  'family-conflict': 'no path: every way through the other layers has two mixes of one family',
  family: 'no path: its family is needed in another layer',
} as const;
