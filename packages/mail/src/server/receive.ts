/** A message that came in whole. */
export interface Message {
  /** As sent, dots taken off: every line ends in CRLF, has at most 998 octets and no NUL. */
  readonly bytes: Uint8Array;
  /**
   * The return path (RFC 5321 section 4.1.1.2), its domain in lower case; empty for the null sender. Handed on, it may be
   * no mailbox that `parseMailbox` takes.
   */
  readonly from: string;
  /** The client is one of those that `handsOn` names. */
  readonly handedOn: boolean;
  /** The mailbox that logged in, where clients have to: `from` is the same, perhaps in another case. */
  readonly author?: string;
  /** The mailbox it was sent to: one that `accepts` said yes to, domain in lower case. */
  readonly recipient: string;
  /** The sender asked for TLS all the way (RFC 8689). False where the server does not offer that. */
  readonly requireTls: boolean;
}

export type Decision = { readonly kind: 'accepted' } | Refusal;

export type Refusal =
  /** `code` is 5yz, `enhanced` its RFC 3463 code (`5.6.0`), `text` one line for the far side: nothing that it must not know. */
  | { readonly kind: 'rejected'; readonly code: number; readonly enhanced: string; readonly text: string }
  /** 4yz: 451 4.3.0 unless it says another. */
  | {
      readonly kind: 'deferred';
      readonly text: string;
      readonly code?: 450 | 451 | 452;
      readonly enhanced?: string;
    };

/** Who takes what the server receives. */
export interface Receiver {
  /**
   * Whether mail for exactly this mailbox is taken; its domain is in lower case. False is refused as relaying; a
   * refusal is told as it is. `handedOn`: the client is one of those that `handsOn` names.
   */
  accepts(mailbox: string, handedOn: boolean): boolean | Refusal;
  /**
   * Takes one message for one recipient. `accepted` makes the server answer 250, so it must be durable by then. The
   * client may be gone when the promise resolves and send the same again.
   *
   * For a message with several recipients it is called for one after the other, up to the first that is not accepted;
   * that one's decision is the answer, since SMTP has one answer for all.
   */
  onMessage(message: Message): Promise<Decision>;
  /**
   * Whether the client at this address is a mail server that has accepted already what it hands on. If that is refused for
   * good, the server writes to a return path that anybody may have forged (RFC 5321 section 7.8). So nothing of it is refused
   * before its data has ended: not for its size, nor for how its return path is written.
   */
  handsOn?(remote: string): boolean;
  /** Judges data handed on that is too big or malformed, and is not kept; `undefined` refuses it as from others. */
  onUnreadable?(envelope: Pick<Message, 'from' | 'handedOn'>): Decision | undefined;
  /** Lines that the answer to EHLO has besides, over TLS (RFC 5321 section 4.1.1.1): each a keyword and its parameters. */
  offers?(): readonly string[];
  /** Told what `onMessage` threw; the client is told 451 and nothing about it. */
  onFault?(fault: unknown): void;
}
