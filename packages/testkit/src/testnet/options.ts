import { join, resolve } from 'node:path';
import { domainName, duration } from '@postern/runtime';
import { TestkitError } from '../errors.ts';

export interface TestnetOptions {
  /** Made when it is not there; must be empty. */
  readonly dir: string;
  readonly mixes?: number;
  /** How many agree on the consensus. */
  readonly authorities?: number;
  readonly domains?: readonly string[];
  readonly meanDelay?: string;
  /** Length of an epoch; several authorities take a quarter of one, at most, for their first consensus. */
  readonly epoch?: string;
  /** Starts again what dies. */
  readonly restart?: boolean;
  /** The Redis that has the spool of every node, as `spool.redis` names it; each has its own in its data directory without. */
  readonly redis?: string;
  /** Puts a tap before every process. */
  readonly taps?: boolean;
  /** Whether the taps keep what passes, in memory. */
  readonly keepTraffic?: boolean;
}

export type TestnetPlan = Required<Omit<TestnetOptions, 'redis'>> & Pick<TestnetOptions, 'redis'>;

/** Fills in what was not said. Throws `wrong-use`. */
export function planTestnet(options: TestnetOptions): TestnetPlan {
  const plan: TestnetPlan = {
    mixes: 6,
    authorities: 1,
    domains: ['a.test', 'b.test'],
    meanDelay: '200ms',
    epoch: (options.authorities ?? 1) > 1 ? '1m' : '1h',
    restart: false,
    taps: false,
    keepTraffic: true,
    ...options,
    dir: resolve(options.dir),
  };
  if (!Number.isInteger(plan.authorities) || plan.authorities < 1 || plan.authorities > 9)
    throw wrongUse(
      `${plan.authorities} authorities do not start on one machine`,
      'Say 1 to 9 --authorities.',
    );
  if (!Number.isInteger(plan.mixes) || plan.mixes < 3 || plan.mixes > 100)
    throw wrongUse(`${plan.mixes} mixes make no path`, 'A path has three hops: say 3 to 100.');
  if (plan.domains.length === 0 || new Set(plan.domains).size !== plan.domains.length)
    throw wrongUse(
      'the domains are none, or one stands there twice',
      'Say for example --domains a.test,b.test',
    );
  for (const domain of plan.domains) {
    if (!domainName.safeParse(domain).success)
      throw wrongUse(`${domain} is no domain name`, 'Write it in lower case, for example a.test');
  }
  for (const [name, value] of [
    ['--mean-delay', plan.meanDelay],
    ['--epoch', plan.epoch],
  ] as const) {
    if (!duration.safeParse(value).success)
      throw wrongUse(`${name} ${value} is no duration`, 'Write for example 200ms, 5s or 1h.');
  }
  // The name of a unix socket ends at 107 bytes, and each process has one below its folder.
  const sockets = processNames(plan).map((name) => join(plan.dir, name, 'data', 'control.sock'));
  if (sockets.some((path) => Buffer.byteLength(path) > 107))
    throw wrongUse(
      `${plan.dir} is too long a path for the processes’ control sockets`,
      'Choose a shorter one.',
    );
  return plan;
}

/** The one of a network that has one. */
export const authorityName = 'authority.test';

export function authorityNames({ authorities }: Pick<TestnetPlan, 'authorities'>): string[] {
  if (authorities === 1) return [authorityName];
  return Array.from({ length: authorities }, (_, at) => `authority${at + 1}.test`);
}

export function mixNames({ mixes }: Pick<TestnetPlan, 'mixes'>): string[] {
  return Array.from({ length: mixes }, (_, at) => `mix${at + 1}.test`);
}

/** The node that delivers for a domain. */
export function gatewayName(domain: string): string {
  return `gate.${domain}`;
}

/** Every process: each has a folder of this name. */
function processNames(plan: TestnetPlan): string[] {
  return [...authorityNames(plan), ...mixNames(plan), ...plan.domains.map(gatewayName)];
}

function wrongUse(message: string, hint: string): TestkitError {
  return new TestkitError('wrong-use', message, { hint });
}
