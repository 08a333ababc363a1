import { ExitCode, UserError } from '@postern/runtime';
import type { NodeConfig, NodeRole } from './config.ts';

/** What a process may run of its node, in the order in which things go through them. What `unwrap` makes complete it delivers. */
export const stageNames = ['receive', 'submit', 'peel', 'unwrap', 'forward'] as const;
export type StageName = (typeof stageNames)[number];

type Config = Pick<NodeConfig, 'roles' | 'spool' | 'smtp'>;

/** The role that a stage is for; the others are of every node. */
const roleOf: Readonly<Partial<Record<StageName, NodeRole>>> = {
  submit: 'submission',
  peel: 'mix',
  unwrap: 'delivery',
};

/** All stages of a node. */
export function stagesOf({ roles }: Pick<Config, 'roles'>): StageName[] {
  return stageNames.filter((name) => hasRole(roles, name));
}

/** The stage whose processes tell the directory of the node: of a mix the one that has the keys. */
export function registeringStage({ roles }: Pick<Config, 'roles'>): StageName {
  return roles.includes('mix') ? 'peel' : 'receive';
}

/** The stages that one process is to run of a node that has several. Throws `UserError` with everything that is wrong. */
export function chooseStages(asked: readonly string[], config: Config): StageName[] {
  const stages = stageNames.filter((name) => asked.includes(name));
  const none = asked.length === 0 ? ['no stage is named'] : [];
  const wrong = [
    ...none,
    ...asked.flatMap((name) => refuseName(name, config)),
    ...refuseShared(stages, config),
  ];
  if (wrong.length === 0) return stages;
  throw new UserError(
    `a process cannot run ${asked.join(',') || 'nothing'} alone:\n${wrong.map((one) => `  ${one}`).join('\n')}`,
    {
      exitCode: ExitCode.usage,
      hint: `This node has the stages ${stagesOf(config).join(', ')}. Without a choice (--only) one process runs all of them.`,
    },
  );
}

function refuseName(name: string, { roles }: Config): string[] {
  const stage = stageNames.find((one) => one === name);
  if (stage === undefined) return [`"${name}" is no stage; there are ${stageNames.join(', ')}`];
  return hasRole(roles, stage) ? [] : [`"${stage}" needs the role "${roleOf[stage]}", which this node lacks`];
}

/** What keeps several processes from being one node. */
function refuseShared(stages: readonly StageName[], config: Config): string[] {
  const wrong: string[] = [];
  if (config.spool.redis === undefined)
    wrong.push('the spool is in SQLite, which one process has; several share one in Redis ([spool])');
  const registers = stages.includes(registeringStage(config));
  if (registers && !stages.includes('receive') && config.smtp.advertise.port === 0)
    wrong.push('smtp.advertise has port 0, which only a process that receives knows');
  return wrong;
}

function hasRole(roles: readonly NodeRole[], stage: StageName): boolean {
  const role = roleOf[stage];
  return role === undefined || roles.includes(role);
}
