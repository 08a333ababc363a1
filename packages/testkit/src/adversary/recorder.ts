import type { OutgoingMessage, SendResult, SmtpPeer, SmtpSender } from '@postern/mail';

/** A message as its sender handed it over and its taker saw it: inside TLS. */
export interface Sending {
  /** Who sent it. */
  readonly by: string;
  readonly peer: SmtpPeer;
  readonly outgoing: OutgoingMessage;
  readonly result: SendResult;
}

/** Keeps every message that the senders it records hand over. */
export interface Recorder {
  readonly sendings: readonly Sending[];
  /** Messages on their way now. */
  readonly underWay: number;
  /** A sender that does what `sender` does. */
  record(by: string, sender: SmtpSender): SmtpSender;
}

export function createRecorder(): Recorder {
  const sendings: Sending[] = [];
  let underWay = 0;
  return {
    sendings,
    get underWay() {
      return underWay;
    },
    record: (by, sender) => ({
      async send(peer, outgoing) {
        underWay += 1;
        try {
          const result = await sender.send(peer, outgoing);
          sendings.push({ by, peer, outgoing, result });
          return result;
        } finally {
          underWay -= 1;
        }
      },
      close: () => sender.close(),
      [Symbol.asyncDispose]: () => sender.close(),
    }),
  };
}

/** What the taker of a message saw of it: envelope and content. */
export function seenIn({ outgoing: { from, to, message } }: Sending): Uint8Array {
  return Buffer.concat([
    Buffer.from(`MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\nDATA\r\n`, 'latin1'),
    message,
  ]);
}
