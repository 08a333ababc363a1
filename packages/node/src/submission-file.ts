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
  readonly relay?: NewServer;
}

export interface NewServer {
  readonly at: string;
  /** A certificate for the server's own name when neither is given. */
  readonly pin?: string;
  readonly name?: string;
}

/** What reading the section gives. */
export function submissionFields({ listen, listenTls, authors, ...servers }: NewSubmission): object {
  const given = { listen, listen_tls: listenTls, authors };
  const proofs = Object.entries(servers).flatMap(([key, { at, pin, name }]) => [
    [key, at],
    [`${key}_pin`, pin],
    [`${key}_name`, name],
  ]);
  const all = [...Object.entries(given), ...proofs];
  return Object.fromEntries(all.filter(([, value]) => value !== undefined));
}

export function formatSubmission(submission: NewSubmission): string {
  const fields = submissionFields(submission) as Record<string, string>;
  const lines = (keys: readonly string[], otherwise: readonly string[]): string => {
    const set = keys.filter((key) => key in fields).map((key) => `${key} = ${JSON.stringify(fields[key])}`);
    return (set.length > 0 ? set : otherwise.map((line) => `# ${line}`)).join('\n');
  };
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

# A mail server that takes what goes to other domains, known in the same ways. Their own mail servers unless set.
${lines(server('relay'), [`relay = "relay.example:25"`])}

# How long it is tried to hand something over, when its author is told of a delay, and how long reports are taken.
# expiry = "5d"
# warn_after = "4h"
# token_life = "37d"
# For each author.
# carriages_per_hour = 5000
# bytes_per_hour = "250MB"
`;
}
