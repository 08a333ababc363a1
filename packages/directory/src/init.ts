import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { formatAuthorityKey } from '@postern/protocol/consensus';
import { type Clock, makeDirectory, type Random, UserError, writeFileDurable } from '@postern/runtime';
import { parseAuthorityConfig } from './config.ts';
import { makeKeys } from './keys/make.ts';
import { unusualIn } from './unusual.ts';

/** What a new authority's configuration says; durations as they stand in the file. */
export interface NewAuthority {
  readonly configPath: string;
  readonly name: string;
  /** Relative to the configuration file. */
  readonly dataDir: string;
  readonly listen: string;
  readonly epoch: string;
  readonly meanDelay: string;
  readonly bootstrapNodes: number;
}

/** Writes a commented configuration and an authority's keys (mode 0600); gives the verifier key, and what is unusual. Replaces nothing. */
export async function initAuthority(
  authority: NewAuthority,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<{ vkey: string; unusual: readonly string[] }> {
  const { configPath } = authority;
  const text = configText(authority);
  const folder = dirname(resolve(configPath));
  if (existsSync(configPath))
    throw new UserError(`${configPath} exists already`, {
      hint: 'Choose another file with --config, or edit this one.',
    });
  const config = parseAuthorityConfig(fieldsOf(authority), 'the new configuration');
  await makeDirectory(folder);
  const { name, epochSeconds } = config;
  const dataDir = resolve(folder, config.dataDir);
  const now = Math.floor(clock.now() / 1_000);
  const { key } = await makeKeys({ name, dataDir, epochSeconds, now, random });
  await writeFileDurable(configPath, text, { mode: 0o644 });
  return { vkey: formatAuthorityKey(key), unusual: unusualIn(config) };
}

function fieldsOf({ name, dataDir, listen, epoch, meanDelay, bootstrapNodes }: NewAuthority): object {
  return {
    name,
    data_dir: dataDir,
    listen,
    epoch,
    mean_delay: meanDelay,
    bootstrap: { nodes: bootstrapNodes },
  };
}

function configText({ name, dataDir, listen, epoch, meanDelay, bootstrapNodes }: NewAuthority): string {
  const quoted = (value: string): string => JSON.stringify(value);
  return `# A Postern directory authority. Run it with: postern-directory run --config FILE

# The name in front of every signature. Clients know the authority by name and key: neither changes later.
name = ${quoted(name)}

# Signing keys, registered nodes, every consensus that was issued. Relative to this file.
data_dir = ${quoted(dataDir)}

# Where HTTP is served. Put a reverse proxy in front for TLS; what is served is signed.
listen = ${quoted(listen)}

# Length of an epoch: how often there is a new consensus and new mix keys. Never changes later. Usual is "1h"; less than "10m" is for tests.
epoch = ${quoted(epoch)}

# Mean of the delay that clients draw for each hop. Longer hides more; with three hops at most a twelfth of an epoch.
mean_delay = ${quoted(meanDelay)}

# Most nodes that may be registered.
# max_nodes = 10000

# Ids of nodes that no longer count, for example because their key was stolen.
# revoked = []

# Ids of the nodes that may register. Empty: any.
# allow = []

# How many authorities have to sign a consensus, where there are others (below); a majority unless said otherwise.
#   threshold = 2

# Whether it connects to the mixes by SMTP, and says which of them cannot be reached. Where nothing may connect to port 25: false.
# probe = true

# How many mixes a layer has, drawn anew for every epoch from all that are registered: one for so many packets in an epoch, within these bounds.
# Where there are fewer, all of them. With several authorities the same everywhere: what most of them say counts.
# [width]
# least = 10
# most = 100
# packets_per_mix = 1000

[bootstrap]
# The first consensus is issued as soon as so many nodes have registered. So many are enough after a pause, too, when others stay away.
nodes = ${bootstrapNodes}

# Every packet has this shape. Change it only for a network of your own.
# [geometry]
# suite = 1
# hops = 3
# packet_bytes = 32768

# Metrics for Prometheus; without this section there are none. Or "unix:/run/postern-directory/metrics.sock".
# [metrics]
# listen = "127.0.0.1:9465"
# Only this opens another address than loopback's, to whoever reaches it.
# public = false

# The other authorities of the network, each with its own section; none: this one decides alone. All of them list all others.
#   [[peers]]
#   url = "https://directory2.example"
#   key = "the line that its init printed"
`;
}
