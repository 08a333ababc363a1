/** The section `submission` of a new node, as it stands in the file. */
export interface NewSubmission {
  /** STARTTLS. */
  readonly listen?: string;
  /** TLS from the first octet. */
  readonly listenTls?: string;
  /** A file, relative to the configuration; or one of the servers. */
  readonly authors?: string;
  readonly imap?: NewServer;
  readonly smtp?: NewServer;
  readonly smarthost?: NewSmarthost;
}

export interface NewServer {
  readonly at: string;
  /** A certificate for the server's own name when neither is given. */
  readonly pin?: string;
  readonly name?: string;
}

export interface NewSmarthost {
  readonly require?: string;
  readonly prefer?: string;
  /** For both, as for other servers. */
  readonly pin?: string;
  readonly name?: string;
}

/** What reading the section gives. */
export function submissionFields({
  listen,
  listenTls,
  authors,
  smarthost,
  ...servers
}: NewSubmission): object {
  const given = { listen, listen_tls: listenTls, authors };
  const proofs = Object.entries(servers).flatMap(([key, { at, pin, name }]) => [
    [key, at],
    [`${key}_pin`, pin],
    [`${key}_name`, name],
  ]);
  const all = [...Object.entries(given), ...proofs, ['smarthost', smarthost] as const];
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
}

export function formatSubmission(submission: NewSubmission): string {
  const { smarthost = {}, ...fields } = submissionFields(submission) as Section;
  const lines = (keys: readonly string[], otherwise: readonly string[]): string => {
    const set = keys.filter((key) => key in fields).map((key) => line(key, fields[key]));
    return (set.length > 0 ? set : otherwise.map((each) => `# ${each}`)).join('\n');
  };
  const onward = ['[submission.smarthost]', ...Object.entries(smarthost).map(([key, at]) => line(key, at))];
  const server = (key: string): string[] => [key, `${key}_pin`, `${key}_name`];
  return `
[submission]
# Where the domain's authors hand over: with STARTTLS (port 587), or over TLS from the first octet (port 465).
${lines(['listen'], ['listen = "0.0.0.0:587"'])}
${lines(['listen_tls'], ['listen_tls = "0.0.0.0:465"'])}
# A certificate that authors' programs trust, PEM. The node's own, which they have to pin, unless set.
# tls_key = "/etc/postern/submission.key"
# tls_cert = "/etc/postern/submission.crt"

# Who the authors are, one of three: a file that "postern-node author" writes, or whoever may log in to the domain's IMAP
# server (TLS from the first octet) or submission server (STARTTLS, or port 465). Such a server is known by a certificate for
# its name, for imap_name or smtp_name, or by its key: imap_pin or smtp_pin, the SHA-256 of it in hex, over TLS 1.3; a list of two while it changes.
${lines(['authors'], ['authors = "authors"'])}
${lines(server('imap'), [`imap = "imap.example:993"`])}
${lines(server('smtp'), [`smtp = "mail.example:465"`])}
# What such a server calls its users: the whole "mailbox", or "local", what stands before the @.
# login = "mailbox"

# How long it is tried to hand something over, when its author is told of a delay, and how long reports and complaints are taken: 37d or longer.
# expiry = "5d"
# warn_after = "4h"
# token_life = "37d"
# For each author.
# carriages_per_hour = 5000
# bytes_per_hour = "250MB"

# A mail server that takes what goes to other domains. Their own mail servers unless set. To "require" goes what has to go on over
# verified TLS; what may go without goes to "prefer", or to the same. Known by a certificate for its name, for "name", or by its key, "pin".
${(onward.length > 1 ? onward : noSmarthost.map((each) => `# ${each}`)).join('\n')}
`;
}

type Section = Record<string, string> & { readonly smarthost?: Readonly<Record<string, string>> };

const noSmarthost = [
  '[submission.smarthost]',
  line('require', 'smarthost.example:25'),
  line('prefer', 'smarthost.example:26'),
];

function line(key: string, value: string | undefined): string {
  return `${key} = ${JSON.stringify(value)}`;
}
