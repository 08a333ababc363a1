/** How long and how much a client may. All deadlines are absolute: sending a little does not move them. */
export interface SmtpLimits {
  /** How long a client must keep silent before it is greeted, in ms. One that cannot wait is no mail server. */
  readonly greetingMs: number;
  /** From the connection to the end of the TLS handshake, in ms. */
  readonly tlsMs: number;
  /** From the end of one command line, or the answer to a message, to the end of the next line, in ms. */
  readonly commandMs: number;
  /** From the 354 reply to the end of the data, in ms. */
  readonly dataMs: number;
  /** From the connection to its end, in ms. A message in hand is still answered. */
  readonly sessionMs: number;
  /** Octets per second of data, looked at every `rateWindowMs`. */
  readonly minBytesPerSecond: number;
  readonly rateWindowMs: number;
  /**
   * Sessions at one time. Who comes on top takes the place of the session longest without a message, which is told
   * 421, or of one with a message under way if there is none without (`Admission`); the newcomer is told so only if
   * every message is with the receiver.
   */
  readonly maxConnections: number;
  /** The same for the sessions of one remote: an IPv4 address, or the /48 of an IPv6 address. */
  readonly maxConnectionsPerRemote: number;
  /** How long `close` lets messages in hand come to their end, and (at most 5 s) a client hang up after the server, in ms. */
  readonly drainMs: number;
}

/**
 * Mix nodes speak in carriages of some 45 KB over connections that stay open, so a session may last an hour but each
 * step of it is short.
 *
 * One remote may have a quarter of all sessions: enough for many nodes and clients behind one address (a NAT, or a whole
 * network on one machine), each with a handful of connections. Some remotes together can have all of them, and hold each
 * for an hour at the least rate of data; they make place for who comes from a network that has fewer.
 */
export const defaultSmtpLimits: SmtpLimits = {
  greetingMs: 50,
  tlsMs: 30_000,
  commandMs: 300_000, // RFC 5321 section 4.5.3.2.7
  dataMs: 600_000,
  sessionMs: 3_600_000,
  minBytesPerSecond: 512,
  rateWindowMs: 10_000,
  maxConnections: 1000,
  maxConnectionsPerRemote: 250,
  drainMs: 10_000,
};
