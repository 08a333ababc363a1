import { isAbsolute } from 'node:path';
import { baseOf, type DirectoryConfig, directorySection } from '@postern/directory/client';
import { isContact, maxCapacity } from '@postern/protocol/consensus';
import {
  checkedTogether,
  domainName,
  duration,
  type Endpoint,
  endpoint,
  endpointOrSocket,
  type MetricsConfig,
  metricsSection,
  parseConfig,
  type SocketPath,
  size,
} from '@postern/runtime';
import { type DnsConfig, dnsFields, refuseUnbelieved } from '@postern/runtime/dns';
import { z } from 'zod';
import { networkText } from './networks.ts';
import type { SenderPolicy } from './senders.ts';
import { type SpoolConfig, spoolSection } from './spool-config.ts';
import { type SubmissionConfig, submissionSection } from './submission-config.ts';

export const nodeRoles = ['mix', 'delivery', 'submission'] as const;
export type NodeRole = (typeof nodeRoles)[number];

/** A node's configuration: every duration in milliseconds, every size in bytes. */
export interface NodeConfig {
  /** The node's mail domain: it takes packets at `secure@name`. */
  readonly name: string;
  readonly roles: readonly NodeRole[];
  readonly dataDir: string;
  /** Operator; nodes of one family never share a path. '' = none. */
  readonly family: string;
  /** Mail address or https URL of the operator; '' = none. */
  readonly contact: string;
  readonly smtp: {
    readonly listen: Endpoint;
    /** What the descriptor tells others; port 0 stands for the port that listening got. */
    readonly advertise: Endpoint;
    readonly ehlo: string;
    /** Other domains' servers may be at private and loopback addresses: for networks of one's own. */
    readonly allowPrivate: boolean;
    /** Addresses and networks of mail servers of one's own that stand in front: they have accepted already what they hand on. */
    readonly behind: readonly string[];
  };
  readonly directory: DirectoryConfig;
  readonly mix: {
    readonly peelWorkers: number;
    /** Packets a second that it is to be given, a power of two. */
    readonly capacity: number;
    /** How long a packet that cannot be handed over is kept. */
    readonly expiryMs: number;
    /** Whether exits for domains that the consensus does not name go by what the domains say in DNS. */
    readonly exitByDns: boolean;
  };
  readonly delivery: DeliveryConfig | undefined;
  /** For authors of the domain that is delivered to. */
  readonly submission: SubmissionConfig | undefined;
  /** How other domains are looked up. */
  readonly dns: DnsConfig;
  readonly spool: SpoolConfig;
  /** Where metrics are served; nowhere without. */
  readonly metrics: MetricsConfig | undefined;
  /** Where readers get from it what they get from authorities; nowhere without. */
  readonly mirror: MirrorConfig | undefined;
}

export interface MirrorConfig {
  readonly listen: Endpoint;
  /** Where others reach it; '' = it is told to nobody. */
  readonly url: string;
}

export interface DeliveryConfig {
  /** The domain whose gateway this is: it takes envelopes at `secure@domain`. */
  readonly domain: string;
  readonly to: MaildirConfig | LmtpConfig;
  readonly senders: SenderPolicy;
}

export interface MaildirConfig {
  readonly kind: 'maildir';
  /** Absolute path of a Maildir; `{local}` stands for the mailbox's local part. */
  readonly path: string;
  /** Local parts that exist, in lower case. */
  readonly mailboxes: readonly string[];
}

export interface LmtpConfig {
  readonly kind: 'lmtp';
  readonly address: Endpoint | SocketPath;
}

/** Data as TOML reads it into a configuration. Throws `ConfigError` with every mistake and its path. */
export function parseNodeConfig(input: unknown, source = 'the configuration'): NodeConfig {
  const {
    data_dir: dataDir,
    smtp,
    mix,
    delivery,
    submission,
    dns: { trust_anchors: trustAnchors, ...dns },
    spool,
    metrics,
    mirror,
    ...rest
  } = parseConfig(schema, input, source);
  return {
    ...rest,
    dataDir,
    smtp: {
      listen: smtp.listen,
      advertise: smtp.advertise,
      ehlo: smtp.ehlo ?? rest.name,
      allowPrivate: smtp.allow_private,
      behind: smtp.behind,
    },
    mix: {
      peelWorkers: mix.peel_workers,
      capacity: mix.capacity,
      expiryMs: mix.expiry,
      exitByDns: mix.exit_by_dns,
    },
    delivery: delivery === undefined ? undefined : deliveryFrom(delivery),
    submission,
    dns: { ...dns, trustAnchors },
    spool,
    metrics,
    mirror,
  };
}

const familyName = z
  .string()
  .regex(
    /^(?:[a-z0-9][a-z0-9._-]{0,62})?$/,
    'is no family name; write up to 63 lower-case letters, digits and ._-, or leave it out',
  );

const contact = z
  .string()
  .refine(
    (text) => text === '' || isContact(text),
    'is no mail address and no https URL; write for example "operator@mix1.example", or leave it out',
  );

const capacity = z
  .int()
  .refine(
    (count) => count >= 1 && count <= maxCapacity && Number.isInteger(Math.log2(count)),
    `is no power of two from 1 to ${maxCapacity}; write the packets a second that it can do, rounded down`,
  );

const reachable = endpoint.refine(
  ({ host }) => !['0.0.0.0', '::'].includes(host),
  'is no address that others can reach; write the host name or address of this machine',
);

/** In the one spelling that the URL standard gives it, without a slash at the end. */
const mirrorUrl = z
  .string()
  .refine(
    (text) => baseOf(text) === text,
    'is no URL that readers could be told; write for example "https://mix1.example", without a slash at the end, or leave it out',
  );

/** A local part that is safe as the name of a directory, in whatever file system. */
const mailboxName = z
  .string()
  .max(64)
  .regex(
    /^[a-z0-9_](?:[a-z0-9._+-]*[a-z0-9_+-])?$/,
    'is no mailbox name; write a local part in lower case, of letters, digits and ._+-',
  );

const maildirPath = z
  .string()
  .refine(isAbsolute, 'is no absolute path')
  .refine((path) => !path.split('/').includes('..'), 'must not go upwards with ".."');

/** Longest that leaves a file system's 255 octets for `.<domain>.zone.<hex>`, under which the records are written. */
const maxGatewayOctets = 236;

const gatewayDomain = domainName.refine(
  (name) => name.length <= maxGatewayOctets,
  `is too long for a gateway's; it has at most ${maxGatewayOctets} characters`,
);

const deliverySchema = checkedTogether(
  z.strictObject({
    domain: gatewayDomain,
    maildir: maildirPath.optional(),
    mailboxes: z.array(mailboxName).min(1).optional(),
    lmtp: endpointOrSocket('LMTP address').optional(),
    accept: z.array(domainName).min(1).optional(),
    deny: z.array(domainName).default([]),
    carriages_per_hour: z.int().min(1).default(100_000),
    bytes_per_hour: size.default(5_000_000_000),
  }),
  ({ maildir, mailboxes }, { say, isThere }) => {
    const [hasMaildir, hasMailboxes, hasLmtp] = [isThere('maildir'), isThere('mailboxes'), isThere('lmtp')];
    if (!hasMaildir && !hasLmtp) say(['maildir'], 'is missing; give either maildir or lmtp');
    if (hasMaildir && hasLmtp) say(['lmtp'], 'stands beside maildir; give one of them');
    if (hasMaildir && !hasMailboxes) say(['mailboxes'], 'is missing; list the mailboxes that exist');
    if (hasLmtp && hasMailboxes)
      say(['mailboxes'], 'goes with maildir only; by LMTP the mail system says which mailboxes exist');
    if (maildir !== undefined && (mailboxes?.length ?? 0) > 1 && !maildir.includes('{local}'))
      say(['maildir'], 'is one Maildir for several mailboxes; write {local} where the mailbox’s name goes');
  },
);

type Delivery = z.infer<typeof deliverySchema>;

function deliveryFrom(delivery: Delivery): DeliveryConfig {
  const {
    domain,
    accept,
    deny,
    carriages_per_hour: carriagesPerHour,
    bytes_per_hour: bytesPerHour,
  } = delivery;
  return {
    domain,
    to: target(delivery),
    senders: { accept, deny, limits: { carriagesPerHour, bytesPerHour } },
  };
}

function target({ maildir, mailboxes = [], lmtp }: Delivery): MaildirConfig | LmtpConfig {
  if (lmtp !== undefined) return { kind: 'lmtp', address: lmtp };
  return { kind: 'maildir', path: maildir ?? '', mailboxes };
}

const rolesWanted =
  'is missing or empty; write those that the node has, of "mix", "delivery" and "submission", for example roles = ["mix"]';

const schema = checkedTogether(
  z.strictObject({
    name: domainName,
    roles: z.array(z.enum(nodeRoles), rolesWanted).min(1, rolesWanted),
    data_dir: z.string().min(1),
    family: familyName.default(''),
    contact: contact.default(''),
    smtp: z.strictObject({
      listen: endpoint,
      advertise: reachable,
      ehlo: domainName.optional(),
      allow_private: z.boolean().default(false),
      behind: z.array(networkText).default([]),
    }),
    directory: directorySection,
    mix: z
      .strictObject({
        peel_workers: z.int().min(1).max(64).default(1),
        capacity: capacity.default(64),
        expiry: duration.default(5 * 86_400_000),
        exit_by_dns: z.boolean().default(true),
      })
      .prefault({}),
    delivery: deliverySchema.optional(),
    submission: submissionSection.optional(),
    dns: checkedTogether(z.strictObject(dnsFields('system')), refuseUnbelieved).prefault({}),
    spool: spoolSection.prefault({}),
    metrics: metricsSection.optional(),
    mirror: z.strictObject({ listen: endpoint, url: mirrorUrl.default('') }).optional(),
  }),
  ({ roles }, { say, isThere, isWrong }) => {
    if (roles === undefined) return;
    const known = roles.filter((role) => role !== undefined);
    if (new Set(known).size !== known.length) say(['roles'], 'names a role twice');
    for (const role of ['delivery', 'submission'] as const) {
      const has = roles.includes(role);
      if (has && !isThere(role)) say([role], `is missing; the role "${role}" needs it`);
      // what does not hold among the roles may be meant for it
      if (!has && isThere(role) && !isWrong('roles'))
        say([role], `stands there without the role "${role}"; add the role or remove the section`);
    }
    // Reports of what authors send come to the domain's gateway, and reach them through its mail system.
    if (roles.includes('submission') && !roles.includes('delivery') && !isWrong('roles'))
      say(['roles'], 'has "submission" without "delivery", by which reports reach authors; add it');
  },
);
