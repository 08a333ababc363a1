import { hash } from 'node:crypto';
import type { VerifiedConsensus } from '@postern/directory/client';
import { makeCarriage, type OutgoingMessage, type SmtpPeer } from '@postern/mail';
import { decodeBase64, decodeHex } from '@postern/protocol/codec';
import type { NodeEntry } from '@postern/protocol/consensus';
import { fragmentCapacity, sealEnvelope, split } from '@postern/protocol/envelope';
import { buildPacket, type Hop } from '@postern/protocol/packet';
import { systemRandom } from '@postern/runtime';

/** A message that fits into one packet, known by its number: the same bytes at every call. */
function noteOf(number: number): Buffer {
  const chance = hash('sha512', `note ${number}`);
  return Buffer.from(`Subject: note ${number}\r\n\r\n${chance}\r\n`, 'latin1');
}

/** The number of the note that a delivered message is, to the byte; nothing when it is none. */
export function numberOf(delivered: Buffer): number | undefined {
  const [, number] = /\r\nSubject: note (\d+)\r\n/.exec(delivered.toString('latin1')) ?? [];
  if (number === undefined) return undefined;
  const note = noteOf(Number(number));
  return delivered.subarray(-note.length).equals(note) ? Number(number) : undefined;
}

/** What its author's program would hand over, and to whom. */
export interface Ready {
  readonly peer: SmtpPeer;
  readonly mail: OutgoingMessage;
}

export interface Recipient {
  /** `bob@b.test` */
  readonly mailbox: string;
  readonly domain: string;
  /** The domain's. */
  readonly certificate: Uint8Array;
}

/** Makes a note's one packet by a path through every layer, without delay unless `delays` gives one for each hop, in milliseconds. */
export async function packNote(
  number: number,
  { consensus, geometry }: VerifiedConsensus,
  { mailbox, domain, certificate }: Recipient,
  delays: readonly number[] = [],
): Promise<Ready> {
  const capacity = await fragmentCapacity(certificate, mailbox, geometry.payloadBytes);
  const expires = (Math.floor(Date.now() / 3_600_000) + 72) * 3_600;
  const options = { recipient: mailbox, setId: systemRandom.bytes(16), expires, capacity };
  const [fragment, ...more] = split(noteOf(number), options);
  if (fragment === undefined || more.length > 0) throw new Error('a note needs more than one packet');
  const path = Array.from({ length: geometry.hops }, (_, at) => {
    const candidates = consensus.nodes.filter(({ layer }) => layer === at + 1);
    return candidates[number % candidates.length] as NodeEntry;
  });
  const hops = path.map(({ id, mixKey }, at): Hop => {
    const nodeId = decodeHex(id) as Uint8Array;
    return { nodeId, mixKey: decodeBase64(mixKey) as Uint8Array, delayMs: delays[at] ?? 0 };
  });
  const payload = await sealEnvelope(fragment, certificate, geometry.payloadBytes);
  const bytes = buildPacket(geometry, consensus.epoch, hops, { domain }, payload);
  const [first] = path as [NodeEntry];
  return { peer: peerOf(first), mail: carriageTo(first.name, bytes) };
}

export function peerOf({ smtp, tlsPins }: NodeEntry): SmtpPeer {
  return { ...smtp, tls: { kind: 'pin', pins: tlsPins } };
}

export function carriageTo(name: string, bytes: Uint8Array): OutgoingMessage {
  const parts = { fromDomain: 'a.test', toDomain: name, bytes, now: new Date() };
  return {
    from: 'secure@a.test',
    to: `secure@${name}`,
    message: makeCarriage({ ...parts, random: (length) => systemRandom.bytes(length) }),
  };
}
