import { ClientError } from '../errors.ts';

/** For whom a packet or an envelope is: the carriage around it goes to the `secure` mailbox there. */
export type Next =
  /** A first mix: its node id, 64 hex digits. Where that node is and its TLS key are looked up when the packet is sent. */
  | { readonly kind: 'node'; readonly id: string }
  /** The recipient's domain, in direct mode. `tlsOptional`: it may travel between mail servers without TLS. */
  | { readonly kind: 'domain'; readonly domain: string; readonly tlsOptional: boolean };

/** What waits to be handed over: nothing else about the message is stored beside it. */
export interface OutboxPacket {
  /** The packet, or the envelope unit of direct mode, exactly as it goes out, however often it is tried. */
  readonly bytes: Uint8Array;
  readonly next: Next;
  /** Return token, 32 hex digits, for the author's own gateway; none for what goes without one. */
  readonly token?: string;
  /** Unix seconds; handed over later, it would be of no use. */
  readonly expires: number;
}

/** One line of JSON, a line feed, the packet. */
export function encodePacketFile({ bytes, next, token, expires }: OutboxPacket): Uint8Array {
  const line = JSON.stringify({
    version: 2,
    ...(next.kind === 'node' ? { node: next.id } : { domain: next.domain }),
    ...(next.kind === 'domain' && next.tlsOptional ? { tlsOptional: true } : {}),
    ...(token === undefined ? {} : { token }),
    expires,
    bytes: bytes.length,
  });
  return Buffer.concat([Buffer.from(`${line}\n`), bytes]);
}

/** Throws `bad-file`, which names the set. */
export function decodePacketFile(content: Buffer, set: string): OutboxPacket {
  const end = content.subarray(0, 512).indexOf(0x0a);
  const line = content.toString('latin1', 0, Math.max(end, 0));
  const {
    first,
    node = first,
    domain,
    optional,
    token,
    expires,
    length,
  } = (secondVersion.exec(line) ?? firstVersion.exec(line))?.groups ?? {};
  const bytes = new Uint8Array(content.subarray(end + 1));
  const next: Next | undefined =
    node !== undefined
      ? { kind: 'node', id: node }
      : domain === undefined
        ? undefined
        : { kind: 'domain', domain, tlsOptional: optional !== undefined };
  if (next === undefined || bytes.length !== Number(length)) {
    throw new ClientError('bad-file', `a file of ${set} in the outbox is no packet`, {
      hint: `Send its message again, and discard this with: postern outbox --discard ${set}`,
    });
  }
  return { bytes, next, ...(token === undefined ? {} : { token }), expires: Number(expires) };
}

const ends = '"expires":(?<expires>\\d{1,12}),"bytes":(?<length>\\d{1,9})\\}$';
const secondVersion = new RegExp(
  '^\\{"version":2,' +
    '(?:"node":"(?<node>[0-9a-f]{64})"|"domain":"(?<domain>[a-z0-9.-]{1,253})"(?<optional>,"tlsOptional":true)?),' +
    `(?:"token":"(?<token>[0-9a-f]{32})",)?${ends}`,
);
/** Of an older release, which knew first mixes alone. */
const firstVersion = new RegExp(`^\\{"version":1,"firstNode":"(?<first>[0-9a-f]{64})",${ends}`);
