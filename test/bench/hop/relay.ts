/** A relay under load: takes mail over TLS on a port of loopback, and hands each message on to the sink over TLS. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Return path and mailbox of what it is given. */
  readonly from: string;
  readonly to: string;
  /** A message that it passes on, with a number in it; each can be used once. */
  carriage(number: number): Buffer;
  /** The number in what arrived at the sink. */
  numberIn(message: Buffer): number | undefined;
  /** The processes that it consists of now. */
  pids(): readonly number[];
}
