import { access } from 'node:fs/promises';
import { type DirectoryConfig, directorySection } from '@postern/directory/client';
import { parseMailbox } from '@postern/mail';
import { longestMeanMs } from '@postern/protocol/strategy';
import { domainName, duration, parseConfig, readToml } from '@postern/runtime';
import { z } from 'zod';
import { formatSubmission, type SubmissionConfig, submission } from './account/settings.ts';
import { type DnsConfig, dnsConfig, formatDnsConfig } from './dns-config.ts';
import { ClientError } from './errors.ts';
import { type KeysConfig, keysComment, keysConfig } from './keys/index.ts';
import { type SendMode, sendModes, type TlsWish, tlsWishes } from './message.ts';

export interface ClientConfig {
  /** The author's own: `alice@a.test`. */
  readonly mailbox: string;
  /** The name given in EHLO; never the machine's. */
  readonly ehlo: string;
  readonly directory: DirectoryConfig;
  readonly dns: DnsConfig;
  readonly keys: KeysConfig;
  readonly route: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  readonly send: {
    /** How long `send` and `flush` try, milliseconds. */
    readonly timeoutMs: number;
    /** How long a message may be on its way, milliseconds. */
    readonly expiryMs: number;
    /** SMTP connections at once. */
    readonly connections: number;
    /** Mean delay at each hop, milliseconds; the consensus's when absent. */
    readonly meanDelayMs?: number;
    readonly sentCopy: boolean;
    readonly mode: SendMode;
    readonly tls: TlsWish;
  };
  /** The gateway of the author's own domain; without it packets go straight to first mixes. */
  readonly submission?: SubmissionConfig;
}

const ownMailbox = z.string().transform((text, context) => {
  const mailbox = parseMailbox(text);
  if (mailbox !== undefined) return `${mailbox.local}@${mailbox.domain}`;
  context.addIssue({ code: 'custom', message: 'is no mailbox; write for example "alice@a.example"' });
  return z.NEVER;
});

const meanDelay = duration.refine(
  (ms) => ms > 0 && ms <= longestMeanMs,
  'is more than 0 and at most one day, for example "200ms"',
);

// spec envelope 3
/** The recipient's gateway sees it, and whoever has one of their own is known by it. Nothing between: rounded, it would not be what was asked for. */
const expiry = duration.refine(
  (ms) => [1, 5, 30].includes(ms / 86_400_000),
  'is "1d", "5d" or "30d": the recipient’s gateway would know you by another',
);

const schema = z
  .strictObject({
    mailbox: ownMailbox,
    ehlo: domainName.optional(),
    directory: directorySection,
    dns: dnsConfig.prefault({}),
    keys: keysConfig.prefault({}),
    route: z
      .strictObject({
        include: z.array(z.string()).default([]),
        exclude: z.array(z.string()).default([]),
      })
      .prefault({}),
    send: z
      .strictObject({
        timeout: duration.prefault('5m'),
        expiry: expiry.prefault('5d'),
        connections: z.int().min(1).max(32, 'is at most 32').default(4),
        mean_delay: meanDelay.optional(),
        sent_copy: z.boolean().default(true),
        mode: z.enum(sendModes, 'is "mix", "direct" or "auto"').default('mix'),
        tls: z.enum(tlsWishes, 'is "require" or "prefer"').default('require'),
      })
      .prefault({}),
    submission: submission.optional(),
  })
  .transform(
    ({ mailbox, ehlo, directory, dns, keys, route, send, submission }): ClientConfig => ({
      mailbox,
      ehlo: ehlo ?? mailbox.slice(mailbox.lastIndexOf('@') + 1),
      directory,
      dns,
      keys,
      route,
      send: {
        timeoutMs: send.timeout,
        expiryMs: send.expiry,
        connections: send.connections,
        sentCopy: send.sent_copy,
        mode: send.mode,
        tls: send.tls,
        ...(send.mean_delay === undefined ? {} : { meanDelayMs: send.mean_delay }),
      },
      ...(submission && { submission: { ...submission, user: submission.user ?? mailbox } }),
    }),
  );

/** Data into a configuration. Throws `ConfigError` with every mistake at once; `source` names the file in it. */
export function parseClientConfig(input: unknown, source = 'the configuration'): ClientConfig {
  return parseConfig(schema as z.ZodType<ClientConfig>, input, source);
}

/** Reads `config.toml`. Throws `ClientError` `no-config`, or `ConfigError`. */
export async function readClientConfig(path: string): Promise<ClientConfig> {
  try {
    await access(path);
  } catch (cause) {
    throw new ClientError('no-config', `there is no configuration at ${path}`, {
      cause,
      hint: 'Make one: postern init --mailbox YOU@YOUR.DOMAIN --directory-url URL --authority KEY. Or name its home: --home DIR',
    });
  }
  return parseClientConfig(await readToml(path), path);
}

/** What `postern init` writes: the settings given, and the others with their defaults as comments. */
export function formatClientConfig(config: {
  mailbox: string;
  urls: readonly string[];
  authorities: readonly string[];
  threshold: number;
  /** `system` unless given. */
  resolver?: string;
  /** `[submission]` as it stands in the file. */
  submission?: Readonly<Record<string, string>> | undefined;
}): string {
  const list = (items: readonly string[]): string =>
    `[\n${items.map((item) => `  ${JSON.stringify(item)},\n`).join('')}]`;
  return `# Postern: settings of one mail user.
# Durations are written as "200ms", "5s", "10m", "3h" or "2d".

# Your mailbox. Messages are sent from it unless --as names another of your own keys.
mailbox = ${JSON.stringify(config.mailbox)}

# The name given to the first mix in EHLO. Default: the domain of the mailbox.
# ehlo = ${JSON.stringify(config.mailbox.slice(config.mailbox.lastIndexOf('@') + 1))}

[directory]
# Where the consensus is fetched; any one is enough, they are tried in random order.
urls = ${list(config.urls)}
# Keys of the authorities that you trust, and how many of them must have signed: more than half.
authorities = ${list(config.authorities)}
threshold = ${config.threshold}
# Whether mirrors that the consensus names are asked as well: who runs one then sees your address when you ask.
# mirrors = true

${formatDnsConfig(config.resolver)}
${keysComment}[route]
# Mixes by name or id. Whoever sets these chooses paths unlike everyone else's; leave them empty without a reason.
# include = []
# exclude = []

[send]
# How long send and flush try to hand packets over before they leave the rest in the outbox.
# timeout = "5m"
# How long a message may be on its way before its parts are dropped: "1d", "5d" or "30d". The recipient's gateway sees which.
# expiry = "5d"
# SMTP connections at once.
# connections = 4
# Mean delay at each mix. Default: the consensus's.
# mean_delay = "200ms"
# Keep a copy of what you send, sealed to your own key.
# sent_copy = true
# "mix": through mixes, or not at all. "direct": by mail servers alone, which see your domain and the recipient's; needs [submission].
# "auto": direct to those domains only that take nothing through mixes.
# mode = "mix"
# In direct mode: "prefer" lets a message travel between mail servers without TLS where the recipient's domain allows it too.
# tls = "require"

${formatSubmission(config.submission)}`;
}
