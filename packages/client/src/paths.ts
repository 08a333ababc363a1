import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Where a person's files lie. Every directory is made when it is first needed, for its owner only. */
export interface ClientPaths {
  readonly configFile: string;
  /** OpenPGP keys: `keys/secret` and `keys/certificates`. */
  readonly keys: string;
  /** Pinned records of domains. */
  readonly domains: string;
  /** Records found in DNS, the last good one of each domain. */
  readonly domainCache: string;
  /** The last verified consensus. */
  readonly consensus: string;
  /** What waits to be handed over, a directory for each message. */
  readonly outbox: string;
  /** The author's copies, sealed to the author. */
  readonly sent: string;
  /** What opens the reports of messages that were not delivered. */
  readonly returns: string;
}

/**
 * The XDG Base Directory Specification 0.8: `$XDG_CONFIG_HOME`, `$XDG_DATA_HOME` and `$XDG_STATE_HOME`, or their defaults
 * below the home directory. A relative path in one of them is ignored, as the specification says.
 */
export function xdgPaths(env: NodeJS.ProcessEnv = process.env, home: string = homedir()): ClientPaths {
  const base = (value: string | undefined, otherwise: string): string =>
    join(value !== undefined && isAbsolute(value) ? value : join(home, otherwise), 'postern');
  return pathsIn({
    config: base(env.XDG_CONFIG_HOME, '.config'),
    data: base(env.XDG_DATA_HOME, join('.local', 'share')),
    state: base(env.XDG_STATE_HOME, join('.local', 'state')),
  });
}

/** Everything below one directory, for trials and for a second identity: `config/`, `data/`, `state/`. */
export function pathsUnder(directory: string): ClientPaths {
  return pathsIn({
    config: join(directory, 'config'),
    data: join(directory, 'data'),
    state: join(directory, 'state'),
  });
}

function pathsIn({ config, data, state }: { config: string; data: string; state: string }): ClientPaths {
  return {
    configFile: join(config, 'config.toml'),
    keys: join(data, 'keys'),
    domains: join(data, 'domains'),
    domainCache: join(state, 'domains'),
    consensus: join(state, 'consensus'),
    outbox: join(state, 'outbox'),
    sent: join(state, 'sent'),
    returns: join(state, 'returns'),
  };
}
