import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import type { TlsPolicy } from '@postern/mail';
import { checkedTogether, domainName, endpoint } from '@postern/runtime';
import { z } from 'zod';

/**
 * - `gateway`: the gateway of the author's own domain
 * - `account`: a provider that knows nothing of Postern and carries ordinary mail from the author's mailbox
 */
export type SubmissionKind = 'gateway' | 'account';

/** How the server that everything is handed over to is reached, and how it knows the author. */
export interface SubmissionConfig {
  readonly kind: SubmissionKind;
  readonly host: string;
  readonly port: number;
  /** TLS from the first octet in place of STARTTLS. */
  readonly implicitTls: boolean;
  readonly tls: Extract<TlsPolicy, { kind: 'web' | 'pin' }>;
  /** The name to log in by. */
  readonly user: string;
  readonly password: PasswordPlace;
}

/** Never an argument or a variable of the environment: other processes can read both. */
export type PasswordPlace =
  /** The first line of a file that nobody else may read. */
  | { readonly kind: 'file'; readonly path: string }
  /** The first line of what a command prints; no shell is between. */
  | { readonly kind: 'command'; readonly command: readonly [string, ...string[]] }
  | { readonly kind: 'ask' };

const place = z
  .string()
  .refine((path) => isAbsolute(path) || path.startsWith('~/'), 'is no path from the root or from ~/');

const pin = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/)
  .toLowerCase();
/** Several while the server changes from one key to another. */
const pins = z.union([pin.transform((one) => [one]), z.array(pin).min(1)], {
  error: 'is no SHA-256 of a public key: 64 hexadecimal digits, or several such in a list',
});

type GivenSubmission = Omit<SubmissionConfig, 'user'> & { readonly user: string | undefined };

const section = checkedTogether(
  z.strictObject({
    kind: z.enum(['gateway', 'account'], 'is "gateway" or "account"').default('gateway'),
    server: endpoint.refine(({ port }) => port > 0, 'needs a port, mostly 587 or 465'),
    tls: z.enum(['starttls', 'implicit'], 'is "starttls" or "implicit"').optional(),
    user: z
      .string()
      .regex(/^\P{Cc}+$/u, 'is empty or has control characters')
      .optional(),
    name: domainName.optional(),
    pin: pins.optional(),
    password_file: place.optional(),
    password_command: z.tuple([z.string().min(1)], z.string()).optional(),
  }),
  ({ server }, { say, isThere }) => {
    if (isThere('pin') && isThere('name'))
      say(['pin'], 'does not go with name: the server is known by its key or by its name');
    if (isThere('password_file') && isThere('password_command'))
      say(['password_file'], 'does not go with password_command');
    if (server !== undefined && !isThere('pin') && !isThere('name') && isIP(server.host) > 0)
      say(['server'], 'is an address: add the name that its certificate is for, or the pin of its key');
  },
);

/** `[submission]`, its user still open. */
export const submission: z.ZodType<GivenSubmission> = section.transform((given) => {
  const { server, user, password_file: path, password_command: command } = given;
  const { host, port } = server;
  return {
    kind: given.kind,
    host,
    port,
    implicitTls: given.tls === undefined ? port === implicitTlsPort : given.tls === 'implicit',
    tls: policy(given.name ?? host.toLowerCase(), given.pin),
    user,
    password: passwordPlace(path, command),
  };
});

function policy(name: string, pins: readonly string[] | undefined): SubmissionConfig['tls'] {
  return pins === undefined ? { kind: 'web', names: [name] } : { kind: 'pin', pins };
}

function passwordPlace(path: string | undefined, command: [string, ...string[]] | undefined): PasswordPlace {
  if (path !== undefined) return { kind: 'file', path };
  return command === undefined ? { kind: 'ask' } : { kind: 'command', command };
}

/** RFC 8314 section 7.3. */
const implicitTlsPort = 465;

/** The section as `postern init` writes it: what is given, and the rest as comments. */
export function formatSubmission(given: Readonly<Record<string, string>> = {}): string {
  const none = Object.keys(given).length === 0;
  const line = (key: string, example: string, comment = ''): string =>
    given[key] === undefined
      ? `#   ${key} = ${example}${comment === '' ? '' : `  # ${comment}`}`
      : `${key} = ${JSON.stringify(given[key])}`;
  return `# Your own domain's gateway, if it has one: all that you send is then handed to it, over TLS, and you are told what could
# not be delivered. Without it packets go straight to their first mix.
${none ? '# ' : ''}[submission]
${line('kind', '"gateway"', 'or "account": a provider that knows nothing of Postern, and learns more')}
${line('server', '"mail.a.example:587"')}
${line('tls', '"starttls"', 'or "implicit", as on port 465')}
${line('user', '"alice"', 'default: the mailbox')}
# The server is known by a certificate for its name (default: that of server), or by the SHA-256 of its public key.
${line('name', '"mail.a.example"')}
${line('pin', '"64 hexadecimal digits"', 'or several, ["…", "…"], while its key changes')}
# The password: a file's first line, or that of what a command prints. Without either it is asked for.
${line('password_file', '"~/.config/postern/password"')}
#   password_command = ["pass", "show", "mail/a.example"]
`;
}
