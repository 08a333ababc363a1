import { ClientError } from '../errors.ts';

/** What waits for its first mix: nothing else about the message is stored beside it. */
export interface OutboxPacket {
  /** The packet, exactly as it goes out, however often it is tried. */
  readonly bytes: Uint8Array;
  /** Node id of the first mix, 64 hex digits. Where that node is and its TLS key are looked up when the packet is sent. */
  readonly firstNode: string;
  /** Unix seconds; handed over later, it might reach a mix of its path that has destroyed the key that opens it. */
  readonly expires: number;
}

/** One line of JSON, a line feed, the packet. */
export function encodePacketFile({ bytes, firstNode, expires }: OutboxPacket): Uint8Array {
  const line = JSON.stringify({ version: 1, firstNode, expires, bytes: bytes.length });
  return Buffer.concat([Buffer.from(`${line}\n`), bytes]);
}

/** Throws `bad-file`, which names the set. */
export function decodePacketFile(content: Buffer, set: string): OutboxPacket {
  const end = content.subarray(0, 256).indexOf(0x0a);
  const [, firstNode, expires, length] =
    firstLine.exec(content.toString('latin1', 0, Math.max(end, 0))) ?? [];
  const bytes = new Uint8Array(content.subarray(end + 1));
  if (firstNode === undefined || bytes.length !== Number(length)) {
    throw new ClientError('bad-file', `a file of ${set} in the outbox is no packet`, {
      hint: `Send its message again, and discard this with: postern outbox --discard ${set}`,
    });
  }
  return { bytes, firstNode, expires: Number(expires) };
}

const firstLine = /^\{"version":1,"firstNode":"([0-9a-f]{64})","expires":(\d{1,12}),"bytes":(\d{1,9})\}$/;
