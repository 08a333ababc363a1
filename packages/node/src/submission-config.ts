import { tokenLifeSeconds } from '@postern/protocol/report';
import {
  checkedTogether,
  domainName,
  duration,
  type Endpoint,
  endpoint,
  size,
  type Together,
} from '@postern/runtime';
import { z } from 'zod';

/** How the authors of a gateway's domain hand over what they have made. */
export interface SubmissionConfig {
  /** TLS by STARTTLS. */
  readonly listen: Endpoint | undefined;
  /** TLS from the first octet. */
  readonly listenTls: Endpoint | undefined;
  /** PEM files; the node's own certificate when there are none. */
  readonly tls: { readonly key: string; readonly cert: string } | undefined;
  readonly authors: AuthorsConfig;
  /** Who takes what goes to other domains; the domains' own mail servers when there is none. */
  readonly smarthost: SmarthostConfig | undefined;
  /** How long a unit is kept that cannot be handed over. */
  readonly expiryMs: number;
  /** When an author is told that one has not left yet. */
  readonly warnAfterMs: number;
  /** How long reports and complaints of a message are taken. */
  readonly tokenLifeMs: number;
  /** For each author. */
  readonly limits: { readonly carriagesPerHour: number; readonly bytesPerHour: number };
}

/** Who the authors are: a file of their own, or whoever may log in to the domain's mail system. */
export type AuthorsConfig =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'imap' | 'smtp';
      readonly server: ServerConfig;
      /** How the server calls its users. */
      readonly login: 'mailbox' | 'local';
    };

/** A server of the mail system, and how it proves that it is the one. */
export interface ServerConfig extends Endpoint {
  readonly tls:
    | { readonly kind: 'pin'; readonly pins: readonly string[] }
    | { readonly kind: 'web'; readonly names: readonly string[] };
}

/** A mail server that takes what goes to other domains, by how that may go on. */
export interface SmarthostConfig {
  /** Over verified TLS or not at all. */
  readonly require: ServerConfig;
  /** Over whatever TLS can be had; the other one when there is none of its own. */
  readonly prefer: ServerConfig;
}

/** The same with absolute paths: in the file they are relative to it. */
export function resolvePaths(
  submission: SubmissionConfig,
  absolute: (path: string) => string,
): SubmissionConfig {
  const { tls, authors } = submission;
  return {
    ...submission,
    tls: tls && { key: absolute(tls.key), cert: absolute(tls.cert) },
    authors: authors.kind === 'file' ? { ...authors, path: absolute(authors.path) } : authors,
  };
}

const pin = z
  .string()
  .regex(/^[0-9a-f]{64}$/i)
  .toLowerCase();
/** Several while the server changes from one key to another. */
const pins = z.union([pin.transform((one) => [one]), z.array(pin).min(1)], {
  error: 'is no SHA-256 of a public key; write 64 hexadecimal digits, or several such in a list',
});
const path = z.string().min(1);
const perHour = z.int().min(1);
const dayMs = 86_400_000;

const smarthostSchema = checkedTogether(
  z.strictObject({
    require: endpoint,
    prefer: endpoint.optional(),
    pin: pins.optional(),
    name: domainName.optional(),
  }),
  ({ require, prefer }, { say, isThere }) => {
    const [hasPin, hasName] = [isThere('pin'), isThere('name')];
    if (hasPin && hasName) say(['name'], 'stands beside pin; give one of them');
    if (hasPin || hasName) return;
    const [nameless] = Object.entries({ require, prefer }).filter(([, at]) => at && !isName(at.host));
    if (nameless !== undefined)
      say(['pin'], `is missing; ${nameless[0]} has no name that a certificate could be for`);
  },
).transform(({ require, prefer = require, pin: spki, name }): SmarthostConfig => {
  const server = (at: Endpoint): ServerConfig => serverAt(at, spki, name);
  return { require: server(require), prefer: server(prefer) };
});

const schema = checkedTogether(
  z.strictObject({
    listen: endpoint.optional(),
    listen_tls: endpoint.optional(),
    tls_key: path.optional(),
    tls_cert: path.optional(),
    authors: path.optional(),
    imap: endpoint.optional(),
    imap_pin: pins.optional(),
    imap_name: domainName.optional(),
    smtp: endpoint.optional(),
    smtp_pin: pins.optional(),
    smtp_name: domainName.optional(),
    login: z.enum(['mailbox', 'local']).optional(),
    smarthost: smarthostSchema.optional(),
    expiry: duration.default(5 * dayMs),
    warn_after: duration.default(4 * 3_600_000),
    token_life: duration.default(tokenLifeSeconds * 1_000),
    carriages_per_hour: perHour.default(5_000),
    bytes_per_hour: size.default(250_000_000),
  }),
  ({ imap, smtp, expiry, warn_after, token_life, bytes_per_hour }, { say, isThere }) => {
    if (!isThere('listen') && !isThere('listen_tls'))
      say(['listen'], 'is missing; give listen, listen_tls or both');
    if (!isThere('tls_cert') && isThere('tls_key')) say(['tls_cert'], 'is missing; tls_key needs it');
    if (!isThere('tls_key') && isThere('tls_cert')) say(['tls_key'], 'is missing; tls_cert needs it');
    const [first, second] = ['authors', 'imap', 'smtp'].filter(isThere);
    if (first === undefined) say(['authors'], 'is missing; give authors, imap or smtp');
    if (second !== undefined) say([second], `stands beside ${first}; give one of them`);
    if (isThere('login') && !isThere('imap') && !isThere('smtp'))
      say(['login'], 'goes with imap or smtp only');
    for (const [key, at] of Object.entries({ imap, smtp })) proofMistakes(key, at, { say, isThere });
    if (warn_after !== undefined && expiry !== undefined && warn_after >= expiry)
      say(['warn_after'], 'must be shorter than expiry');
    if (token_life !== undefined && expiry !== undefined && token_life < expiry)
      say(['token_life'], 'must not be shorter than expiry, or failures would reach nobody');
    else if (token_life !== undefined && token_life < tokenLifeSeconds * 1_000)
      say(
        ['token_life'],
        `must be ${tokenLifeSeconds / 86_400}d or longer: until then reports and complaints may come, which would reach nobody`,
      );
    if (bytes_per_hour !== undefined && bytes_per_hour < 1_000_000)
      say(['bytes_per_hour'], 'is too little for a message; give 1MB or more');
  },
);

/** The section `submission` of a node's configuration. */
export const submissionSection: z.ZodType<SubmissionConfig> = schema.transform((section) => build(section));

type Section = z.infer<typeof schema>;
type ServerKey = 'imap' | 'smtp';

/** A server proves who it is by its key, or by a certificate for a name: its own unless another is given. */
function proofMistakes(
  key: string,
  at: Endpoint | undefined,
  { say, isThere }: Pick<Together, 'say' | 'isThere'>,
): void {
  const [pin, name] = [`${key}_pin`, `${key}_name`];
  if (!isThere(key)) {
    for (const proof of [pin, name]) if (isThere(proof)) say([proof], `goes with ${key} only`);
  } else if (isThere(pin) && isThere(name)) {
    say([name], `stands beside ${pin}; give one of them`);
  } else if (!isThere(pin) && !isThere(name) && at !== undefined && !isName(at.host)) {
    say([pin], `is missing; ${key} has no name that a certificate could be for`);
  }
}

function serverAt(at: Endpoint, pins: readonly string[] | undefined, name = at.host): ServerConfig {
  return { ...at, tls: pins === undefined ? { kind: 'web', names: [name] } : { kind: 'pin', pins } };
}

function isName(host: string): boolean {
  return domainName.safeParse(host).success;
}

function build(section: Section): SubmissionConfig {
  const { tls_key: key, tls_cert: cert, authors: file, imap, smtp, login = 'mailbox' } = section;
  const server = (of: ServerKey, at: Endpoint): ServerConfig =>
    serverAt(at, section[`${of}_pin`], section[`${of}_name`]);
  const authors: AuthorsConfig =
    imap !== undefined
      ? { kind: 'imap', server: server('imap', imap), login }
      : smtp !== undefined
        ? { kind: 'smtp', server: server('smtp', smtp), login }
        : { kind: 'file', path: file ?? '' };
  return {
    listen: section.listen,
    listenTls: section.listen_tls,
    tls: key === undefined || cert === undefined ? undefined : { key, cert },
    authors,
    smarthost: section.smarthost,
    expiryMs: section.expiry,
    warnAfterMs: section.warn_after,
    tokenLifeMs: section.token_life,
    limits: { carriagesPerHour: section.carriages_per_hour, bytesPerHour: section.bytes_per_hour },
  };
}
