import type { LogHead } from '../log/index.ts';
import type { Geometry } from '../packet/index.ts';

/** What a node does. */
export type Role = 'delivery' | 'mix';

/** Where a node takes SMTP. */
export interface SmtpEndpoint {
  /** Domain name or IP address literal, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** A mix key that a node has published for one epoch. */
export interface EpochKey {
  readonly epoch: number;
  /** Base64 of the KEM public key. */
  readonly key: string;
}

/** Epochs in which a mix is not to be drawn. */
export interface Downtime {
  readonly from: number;
  /** The first one in which it is back. */
  readonly until: number;
}

/** What a node says of itself, signed with its signing key (spec consensus 3). */
export interface Descriptor {
  readonly version: 1;
  /** Mail domain; the node's address is `secure@name`. */
  readonly name: string;
  /** Sorted, without repetition. */
  readonly roles: readonly Role[];
  /** Base64 of the Ed25519 public key that its id is made of. */
  readonly identityKey: string;
  /** Base64 of the Ed25519 public key that has signed this. */
  readonly signingKey: string;
  /** That the one is for the other: a note (spec consensus 12). */
  readonly certificate: string;
  readonly smtp: SmtpEndpoint;
  /**
   * Hex SHA-256 of the SubjectPublicKeyInfo of the node's TLS certificate: of the one that it shows, and of one more while
   * it changes from one to another. Whoever connects takes either.
   */
  readonly tlsPins: readonly string[];
  /** Operator; nodes of one family never share a path. '' = none. */
  readonly family: string;
  /** Mail domains served as delivery gateway; sorted. */
  readonly domains: readonly string[];
  /** Sorted by epoch; empty for a node that is no mix. */
  readonly mixKeys: readonly EpochKey[];
  /** Packets a second that the operator gives it, a power of two; 0 = no mix. */
  readonly capacity: number;
  /** `binnedLoad` the packets that it opened in the last whole epoch; 0 = unknown. */
  readonly load: number;
  /** Suites that it takes packets of; ascending. */
  readonly protocols: readonly number[];
  /** When the operator means to have it down; ascending. */
  readonly downtime: readonly Downtime[];
  /** URL at which it serves what authorities serve to readers; '' = none. */
  readonly mirror: string;
  /** Mail address or URL of the operator; '' = none. */
  readonly contact: string;
  /** Name and version of its program; '' = not told. */
  readonly software: string;
  /** Unix seconds. */
  readonly published: number;
}

/** What a node's identity key says of the key that it signs with (spec consensus 12). */
export interface NodeCertificate {
  readonly version: 1;
  /** Base64 of the Ed25519 public key that the node's id is made of. */
  readonly identityKey: string;
  /** Base64 of the Ed25519 public key that it signs with. */
  readonly signingKey: string;
  /** Unix seconds. Of descriptors published from then on signatures by the key count, … */
  readonly validAfter: number;
  /** … and of those before then. */
  readonly validUntil: number;
}

/** One node in a consensus (spec consensus 4). */
export interface NodeEntry {
  /** Hex SHA-256 of the identity public key. */
  readonly id: string;
  /** Mail domain; the node's address is `secure@name`. */
  readonly name: string;
  readonly roles: readonly Role[];
  readonly smtp: SmtpEndpoint;
  /**
   * Hex SHA-256 of the SubjectPublicKeyInfo of the node's TLS certificate: of the one that it shows, and of one more while
   * it changes from one to another. Whoever connects takes either.
   */
  readonly tlsPins: readonly string[];
  /** '' = none. */
  readonly family: string;
  /** Mail domains served as delivery gateway. */
  readonly domains: readonly string[];
  /** URL at which it serves what authorities serve to readers; '' = none. */
  readonly mirror: string;
  /** 1 … hops; 0 = no active mix. */
  readonly layer: number;
  /** Base64 of the KEM public key for the consensus's epoch; '' = no active mix. */
  readonly mixKey: string;
  /** Packets a second that its operator gives it, a power of two; 0 = no active mix. */
  readonly capacity: number;
}

/** How many mixes a layer is to have (spec consensus 8.3). */
export interface Width {
  readonly least: number;
  readonly most: number;
  /** Packets in an epoch for which a layer gets one mix. */
  readonly perMix: number;
}

/** The nodes that stand and are no entries: how many they are, and the root of the tree over them (spec consensus 8.7). */
export interface Rest {
  readonly count: number;
  /** Hex. */
  readonly root: string;
}

/** The four figures that a packet's geometry follows from, and the digest of all of it. */
export interface ConsensusGeometry extends Pick<Geometry, 'suite' | 'hops' | 'routingBytes' | 'packetBytes'> {
  /** Hex of `geometryDigest`: whoever derives other figures from the four notices. */
  readonly digest: string;
}

/** What the authorities agree on for one epoch (spec consensus 4). */
export interface Consensus {
  readonly version: 1;
  readonly epoch: number;
  readonly epochSeconds: number;
  /** Unix seconds: the epoch's start. */
  readonly validAfter: number;
  /** Unix seconds: the epoch's end; from then on a newer one should exist. */
  readonly freshUntil: number;
  /** Unix seconds: from then on nobody uses it. */
  readonly validUntil: number;
  readonly geometry: ConsensusGeometry;
  /** Mean of the delay at each hop, milliseconds. */
  readonly meanDelayMs: number;
  readonly width: Width;
  /** Sorted by id. */
  readonly nodes: readonly NodeEntry[];
  readonly rest: Rest;
  /** Ids that no longer count, sorted. */
  readonly revoked: readonly string[];
  /** Hex of the 32 bytes that layers were dealt with. */
  readonly shared: string;
  /** Digest of the consensus before this one; '' for the first. */
  readonly previous: string;
  /** The log of all consensuses before this one (spec log 3). */
  readonly log: LogHead;
  /** The votes that it was counted from. */
  readonly votes: readonly Counted[];
  /** What was revealed, from which `shared` follows. */
  readonly reveals: readonly Counted[];
}

/** A vote or reveal that a consensus was counted from; in lists ascending by authority. */
export interface Counted {
  readonly authority: string;
  /** Hex SHA-256 of the text that the authority has signed. */
  readonly digest: string;
}

/** What a node has to know before it has seen a consensus (spec consensus 5). */
export interface Parameters {
  readonly version: 1;
  readonly epochSeconds: number;
  readonly geometry: ConsensusGeometry;
  readonly meanDelayMs: number;
}

/** A descriptor that a vote names. */
export interface Listed {
  /** Of the node. */
  readonly id: string;
  /** `descriptorDigest` of the descriptor as it was signed. */
  readonly digest: string;
}

/** What one authority would have in the consensus of an epoch (spec agreement 3.1). */
export interface Vote {
  readonly version: 1;
  readonly epoch: number;
  /** Which of the attempts to agree on that epoch, from 0 on. */
  readonly slot: number;
  /** Whose vote it is. */
  readonly authority: string;
  /** Digest of the newest consensus that it has; '' when it has none. */
  readonly previous: string;
  /** Digest of what it has signed last, if that is no consensus that it has; '' otherwise. */
  readonly signed: string;
  readonly epochSeconds: number;
  readonly geometry: ConsensusGeometry;
  readonly meanDelayMs: number;
  readonly width: Width;
  /** Sorted by id. */
  readonly descriptors: readonly Listed[];
  /** Ids, sorted. */
  readonly revoked: readonly string[];
  /** Hex SHA-256 of the value that its reveal will show. */
  readonly commit: string;
}

/** The value that an authority has committed itself to (spec agreement 4). */
export interface Reveal {
  readonly version: 1;
  readonly epoch: number;
  readonly slot: number;
  readonly authority: string;
  /** Hex, 32 bytes of chance. */
  readonly value: string;
}

/** What an authority says of a key that it signs with, signed with its identity key (spec consensus 11). */
export interface Certificate {
  readonly version: 1;
  readonly authority: string;
  /** Base64 of the composite public key that readers know the authority by. */
  readonly identityKey: string;
  /** Base64 of the composite public key that it signs with. */
  readonly signingKey: string;
  /** Unix seconds. Of documents from then on signatures by the key count, … */
  readonly validAfter: number;
  /** … and of those before then. */
  readonly validUntil: number;
}

/** Which mixes an authority has not reached of late (spec outage 2). */
export interface Outage {
  readonly version: 1;
  /** Of the consensus whose mixes it has tried. */
  readonly epoch: number;
  /** Whose notice it is. */
  readonly authority: string;
  /** Unix seconds: when it was signed. */
  readonly at: number;
  /** Ids, sorted. */
  readonly down: readonly string[];
}

/** Largest signed documents, in UTF-16 code units; anything longer is refused unread. */
export const maxDescriptorLength = 32_768;
export const maxConsensusLength = 4_194_304;
export const maxParametersLength = 327_680;
export const maxCertificateLength = 16_384;
export const maxNodeCertificateLength = 1_024;
/** Of votes and reveals it is the text that is bounded: there has to be room for signatures and certificates of all. */
export const maxVoteLength = 2_097_152;
export const maxRevealLength = 4_096;
export const maxOutageLength = 163_840;

/** Longest time that a certificate may be for, seconds: 366 days. */
export const maxCertificateSeconds = 31_622_400;

/** Most nodes in one consensus, and most revoked ids in one consensus and in one vote. */
export const maxNodes = 2_000;

/** Most descriptors that one vote names. Of several votes more than half have to name a node: fewer than twice as many stand. */
export const maxRegistered = 10_000;

/** Most characters that all domains of a node have together. */
export const maxDomainCharacters = 1_024;

/** Largest capacity of a mix, packets a second. */
export const maxCapacity = 1_024;

/** Largest load: of 2^32 packets in an epoch. */
export const maxLoad = 33;

/** Most spans in which a node may be down. */
export const maxDowntimes = 4;

/** Most authorities of one network: as many as may sign a note. */
export const maxAuthorities = 64;

/** Certificates of one authority that are kept: those that end last. One that has more than it needs does harm to itself alone. */
export const maxCertificatesOfOne = 8;

/** Most characters that a list of certificates may have, and bytes that are read of one: as many as there may be, of the longest. */
export const maxCertificatesLength: number = maxAuthorities * maxCertificatesOfOne * maxCertificateLength;

/** Most attempts to agree on one epoch. */
export const maxSlots = 65_536;

/** Most TLS keys that a node may be known by at a time. */
export const maxTlsPins = 2;

/** Epochs for which a node publishes mix keys: the current one and the next two (spec consensus 6.2). */
export const keyEpochsAhead = 2;

/** Epochs after its own for which a consensus stays valid (spec consensus 6.1). */
export const staleEpochs = 2;

/** Epochs after its own for which a node holds a mix key (spec consensus 6.2). */
export const keyEpochsHeld = 3;
