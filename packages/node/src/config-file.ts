import { majority } from '@postern/directory/client';
import type { NodeRole } from './config.ts';
import { formatSubmission, type NewSubmission, submissionFields } from './submission-file.ts';

/** What a new node's configuration says; everything as it stands in the file. */
export interface NewNode {
  readonly configPath: string;
  /** Absolute, or relative to the configuration file. */
  readonly dataDir: string;
  readonly name: string;
  readonly roles: readonly NodeRole[];
  readonly family?: string;
  readonly contact?: string;
  readonly capacity?: number;
  readonly listen: string;
  readonly advertise: string;
  readonly behind?: readonly string[];
  readonly directoryUrls: readonly string[];
  readonly authorities: readonly string[];
  /** A majority of the authorities when not given. */
  readonly threshold?: number;
  readonly peelWorkers?: number;
  /** `system` unless given. */
  readonly resolver?: string;
  readonly delivery?: {
    readonly domain: string;
    readonly maildir?: string;
    readonly mailboxes?: readonly string[];
    readonly lmtp?: string;
  };
  readonly submission?: NewSubmission;
}

/** A commented `node.toml`, and the same as the data that reading it gives. */
export function formatConfig(node: NewNode): { readonly toml: string; readonly fields: object } {
  const {
    name,
    roles,
    dataDir,
    family = '',
    contact,
    capacity,
    listen,
    advertise,
    behind = [],
    resolver,
    delivery,
    submission,
  } = node;
  const directory = {
    urls: node.directoryUrls,
    authorities: node.authorities,
    threshold: node.threshold ?? majority(node.authorities),
  };
  const mix = { peel_workers: node.peelWorkers ?? 1, ...(capacity === undefined ? {} : { capacity }) };
  const fields = {
    name,
    roles,
    data_dir: dataDir,
    family,
    ...(contact === undefined ? {} : { contact }),
    directory,
    mix,
    smtp: { listen, advertise, behind },
    ...(resolver === undefined ? {} : { dns: { resolver } }),
    ...(delivery === undefined ? {} : { delivery }),
    ...(submission === undefined ? {} : { submission: submissionFields(submission) }),
  };
  const toml = `# A Postern node. Run it with: postern-node run --config FILE

# Mail domain of the node: it takes packets at secure@${name}.
name = ${value(name)}

# Of "mix", "delivery" and "submission" those that it does; "submission" goes with "delivery".
roles = ${value(roles)}

# Keys and spool. Absolute, or relative to this file.
data_dir = ${value(dataDir)}

# Nodes of one operator share a family: no path uses two of them. Empty: none.
family = ${value(family)}

# Mail address or https URL of whoever runs it: authorities show it, no consensus names it.
${contact === undefined ? `# contact = "operator@${name}"` : `contact = ${value(contact)}`}

[smtp]
listen = ${value(listen)}
# Where other nodes and authors reach it.
advertise = ${value(advertise)}
# The name it gives in EHLO; \`name\` unless set.
# ehlo = ${value(name)}
# Mail servers that DNS names are written to at public addresses alone, unless this is a network of its own. Nodes of the consensus
# are written to at whatever address they registered.
# allow_private = false
# Addresses or networks of mail servers of one's own that hand on what they have accepted. What of that can never be taken is dropped:
# they would write to the sender, whom anybody may have forged.
behind = ${value(behind)}

[directory]
urls = ${value(directory.urls)}
# Keys of the authorities, as they print them, and how many of them must have signed.
authorities = ${value(directory.authorities)}
threshold = ${directory.threshold}
# Whether mirrors that the consensus names are asked as well.
# mirrors = true

[mix]
# Threads that take layers off.
peel_workers = ${mix.peel_workers}
# Packets a second that it can do, a power of two. Authors choose mixes by it: one that says more than it can do gets more than it can do.
${capacity === undefined ? '# capacity = 64' : `capacity = ${capacity}`}
# How long a packet is kept that cannot be handed over.
# expiry = "5d"

[dns]
# Who is asked about other domains: "system" for what /etc/resolv.conf says, "none" for nobody, or for example "127.0.0.1:53".
${resolver === undefined ? '# resolver = "system"' : `resolver = ${value(resolver)}`}
# Who validates DNSSEC: "resolver", whose word is taken only from loopback, or "in-process", the node itself.
# validate = "resolver"
# The root's keys for in-process validation: "iana", or a file such as /usr/share/dns/root.key.
# trust_anchors = "iana"

[spool]
# "sqlite", in data_dir, or "redis": docs/operations/redis.md.
# store = "sqlite"
# Nothing more is accepted beyond this, or with less than the reserve left on the disk.
# Unless set it is 20 GB with "sqlite", and 1 GB with "redis".
# max_size = "20GB"
# reserve = "64MB"
# With store = "redis" alone.
# [spool.redis]
# Or "rediss://host:port", by TLS; with ca = "redis-ca.pem" unless the system's authorities vouch for it.
# url = "unix:/run/redis/redis.sock"
# A user of its ACL, and the file with the password, which nobody but the node may read.
# user = "postern"
# password_file = "redis-password"

# Metrics for Prometheus, coarse in time and number; without this section there are none. Or "unix:/run/postern-node/metrics.sock".
# [metrics]
# listen = "127.0.0.1:9464"
# Only this opens another address than loopback's, to whoever reaches it.
# public = false

# Serves readers what authorities have signed, so that not all have to ask these; without this section it does not.
# [mirror]
# listen = "127.0.0.1:8441"
# Where others reach it, by https: a web server in front, docs/operations/mirror.md. Without, nobody is told.
# url = "https://mirror.example"
${delivery === undefined ? '' : deliverySection(delivery)}${submission === undefined ? '' : formatSubmission(submission)}`;
  return { toml, fields };
}

function deliverySection({ domain, maildir, mailboxes, lmtp }: NonNullable<NewNode['delivery']>): string {
  const target =
    lmtp === undefined
      ? `# {local} stands for the mailbox.
maildir = ${value(maildir ?? '')}
# The mailboxes that exist; mail for others is dropped.
mailboxes = ${value(mailboxes ?? [])}`
      : `# The mail system, on this machine: "host:port" or "unix:/path".
lmtp = ${value(lmtp)}`;
  return `
[delivery]
# The domain whose gateway this is: it takes envelopes at secure@${domain}.
domain = ${value(domain)}
${target}
# Domains that direct mail is taken from, and not; each stands for all below it. What comes through mixes has no domain.
# accept = ["a.example"]
# deny = ["b.example"]
# What each of them may send in an hour.
# carriages_per_hour = 100000
# bytes_per_hour = "5GB"
`;
}

/** A TOML string or array of strings: JSON's forms are among TOML's. */
function value(of: string | readonly string[]): string {
  return typeof of === 'string' ? JSON.stringify(of) : `[${of.map((one) => JSON.stringify(one)).join(', ')}]`;
}
