import type { Client } from '@postern/client';
import type { Consensus } from '@postern/protocol/consensus';
import { byteFact, type Fact, type FactKind, textFact } from '../adversary/facts.ts';
import type { Cast } from './cast.ts';
import { keyIdsIn } from './certificates.ts';

/** What a message says that nobody else would say. */
export interface Telltales {
  readonly messageId: string;
  readonly subject: string;
  /** Rare words and phrases of headers and body, names of attachments. */
  readonly phrases: readonly string[];
  readonly attachment: Uint8Array;
}

/** Everything about one message and its way that somebody may or may not know, as what to search for. */
export async function secretsOf(
  cast: Cast,
  told: Telltales,
  author: Client,
  consensus: Consensus,
): Promise<Fact[]> {
  const { keys, domains } = author;
  const ids = async (mailbox: string): Promise<Uint8Array[]> =>
    keyIdsIn(Buffer.from(await keys.export(mailbox)));
  const record = await domains.lookup(cast.recipient.domain);
  const domainKeyIds = record.kind === 'record' ? keyIdsIn(record.record.certificate) : [];
  return [
    textFact('author mailbox', 'mailbox', cast.author.mailbox),
    textFact('author mailbox', 'local part', cast.author.local),
    ...keyFacts('author mailbox', await ids(cast.author.mailbox)),
    textFact('author domain', 'domain', cast.author.domain),
    textFact('recipient mailbox', 'mailbox', cast.recipient.mailbox),
    textFact('recipient mailbox', 'local part', cast.recipient.local),
    ...keyFacts('recipient mailbox', await ids(cast.recipient.mailbox)),
    textFact('recipient domain', 'domain', cast.recipient.domain),
    ...keyFacts('recipient domain', domainKeyIds),
    textFact('content', 'Message-ID', told.messageId.replaceAll(/[<>]/g, '')),
    textFact('content', 'subject', told.subject),
    ...told.phrases.map((phrase) => textFact('content', 'phrase', phrase)),
    ...stretches(told.attachment).map((bytes) => byteFact('content', 'attachment', bytes)),
    ...(['first mix', 'middle mix', 'last mix'] as const).flatMap((kind, at) =>
      (cast.hops[at] ?? []).flatMap((name) => nodeFacts(kind, name, consensus)),
    ),
  ];
}

function keyFacts(kind: FactKind, ids: readonly Uint8Array[]): Fact[] {
  return ids.map((id) => byteFact(kind, 'key id', id));
}

/** A node goes by its name and by its id, and in TLS by its key. */
function nodeFacts(kind: FactKind, name: string, { nodes }: Consensus): Fact[] {
  const entry = nodes.find((node) => node.name === name);
  const names = [textFact(kind, 'name', name)];
  if (entry === undefined) return names;
  return [
    ...names,
    byteFact(kind, 'node id', Buffer.from(entry.id, 'hex')),
    ...entry.tlsPins.map((pin) => byteFact(kind, 'TLS key', Buffer.from(pin, 'hex'))),
  ];
}

/** 16 bytes from the beginning, the middle and the end. */
function stretches(bytes: Uint8Array): Uint8Array[] {
  const middle = Math.floor(bytes.length / 2);
  return [bytes.subarray(0, 16), bytes.subarray(middle, middle + 16), bytes.subarray(-16)];
}
