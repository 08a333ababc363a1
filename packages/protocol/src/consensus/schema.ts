import { decodeBase64 } from '../codec/base64.ts';
import { encodeHex } from '../codec/hex.ts';
import { isKeyName } from '../codec/note.ts';
import { emptyRange, headOf, type LogHead } from '../log/index.ts';
import { isDomain } from '../packet/index.ts';
import { compositePublicKeyBytes, sha256, xwingPublicKeyBytes } from '../primitives/index.ts';
import type {
  Certificate,
  Consensus,
  ConsensusGeometry,
  Counted,
  Descriptor,
  Downtime,
  EpochKey,
  Listed,
  NodeCertificate,
  NodeEntry,
  Outage,
  Parameters,
  Rest,
  Reveal,
  Role,
  SmtpEndpoint,
  Vote,
  Width,
} from './documents.ts';
import {
  maxAuthorities,
  maxCapacity,
  maxCertificateSeconds,
  maxDomainCharacters,
  maxDowntimes,
  maxLoad,
  maxNodeCertificateLength,
  maxNodes,
  maxRegistered,
  maxSlots,
  maxTlsPins,
  staleEpochs,
} from './documents.ts';
import {
  ascending,
  base64Of,
  compareText,
  distinct,
  hexDigest,
  integer,
  object,
  oneOf,
  orEmpty,
  refuse,
  type Shape,
  text,
} from './shape.ts';

const maxEpoch = 2 ** 32 - 1;
const week = 604_800;

const domain = text(isDomain, 'domain name');
const host = text(isHost, 'domain name or IP address');
const family = orEmpty(text((value) => /^[a-z0-9][a-z0-9._-]{0,62}$/.test(value), 'family name'));

const epoch = integer(0, maxEpoch);
const epochSeconds = integer(1, week);
const time = integer(0, maxEpoch * week);
const meanDelayMs = integer(0, 86_400_000);
const smtp = object<SmtpEndpoint>({ host, port: integer(1, 65_535) });
const roles = ascending<Role>(oneOf('delivery', 'mix'), 2, compareText);
const domains = within(ascending(domain, 64, compareText), maxDomainCharacters);
const tlsPins = distinct(hexDigest, maxTlsPins);
const capacity = powerOfTwo(maxCapacity);
const mirror = orEmpty(text(isBareUrl, 'URL'));
const contact = orEmpty(text(isContact, 'mail address or https URL'));
const software = orEmpty(
  text((value) => /^[A-Za-z0-9][A-Za-z0-9._+/-]{0,63}$/.test(value), 'name and version'),
);
const nodeKey = base64Of(32);

const geometry = object<ConsensusGeometry>({
  suite: integer(0, 255),
  hops: integer(1, 16),
  routingBytes: integer(1, 4_096),
  packetBytes: integer(1, 2 ** 24),
  digest: hexDigest,
});

const descriptorMembers = object<Descriptor>({
  version: oneOf(1),
  name: domain,
  roles,
  identityKey: nodeKey,
  signingKey: nodeKey,
  certificate: text((value) => value.length <= maxNodeCertificateLength, 'certificate'),
  smtp,
  tlsPins,
  family,
  domains,
  mixKeys: ascending(
    object<EpochKey>({ epoch, key: base64Of(xwingPublicKeyBytes) }),
    8,
    (a, b) => a.epoch - b.epoch,
  ),
  capacity,
  load: integer(0, maxLoad),
  protocols: ascending(integer(0, 255), 8, (a, b) => a - b),
  downtime: ascending(
    object<Downtime>({ from: epoch, until: epoch }),
    maxDowntimes,
    (a, b) => a.from - b.from,
  ),
  mirror,
  contact,
  software,
  published: time,
});

/** Spec consensus 3. */
export const descriptorShape: Shape<Descriptor> = (value, at) => {
  const descriptor = descriptorMembers(value, at);
  rolesFit(descriptor, descriptor.mixKeys.length > 0, at);
  const { capacity, load, protocols, downtime } = descriptor;
  const isMix = descriptor.roles.includes('mix');
  if (capacity > 0 !== isMix) refuse('capacity', 'does not fit the roles');
  if (load > 0 && !isMix) refuse('load', 'does not fit the roles');
  if (protocols.length > 0 !== isMix) refuse('protocols', 'do not fit the roles');
  downtime.forEach(({ from, until }, index) => {
    if (until <= from) refuse(`downtime[${index}]`, 'ends before it begins');
    if (from < (downtime[index - 1]?.until ?? 0))
      refuse(`downtime[${index}]`, 'begins before the one before ends');
  });
  return descriptor;
};

/** Spec consensus 12. */
export const nodeCertificateShape: Shape<NodeCertificate> = spanned(
  object<NodeCertificate>({
    version: oneOf(1),
    identityKey: nodeKey,
    signingKey: nodeKey,
    validAfter: time,
    validUntil: time,
  }),
);

const entryMembers = object<NodeEntry>({
  id: hexDigest,
  name: domain,
  roles,
  smtp,
  tlsPins,
  family,
  domains,
  mirror,
  layer: integer(0, 16),
  mixKey: orEmpty(base64Of(xwingPublicKeyBytes)),
  capacity,
});

const entry: Shape<NodeEntry> = (value, at) => {
  const node = entryMembers(value, at);
  rolesFit(node, node.mixKey !== '', at);
  if (node.layer > 0 !== node.roles.includes('mix')) refuse(`${at}.layer`, 'does not fit the roles');
  if (node.capacity > 0 !== node.roles.includes('mix')) refuse(`${at}.capacity`, 'does not fit the roles');
  return node;
};

const authority = text(isKeyName, 'name of an authority');
const counted = ascending(object<Counted>({ authority, digest: hexDigest }), maxAuthorities, (a, b) =>
  compareText(a.authority, b.authority),
);

const widthMembers = object<Width>({
  least: integer(1, maxNodes),
  most: integer(1, maxNodes),
  perMix: integer(1, maxEpoch),
});

const width: Shape<Width> = (value, at) => {
  const { least, most, perMix } = widthMembers(value, at);
  if (most < least) refuse(`${at}.most`, 'is below least');
  return { least, most, perMix };
};

const consensusMembers = object<Consensus>({
  version: oneOf(1),
  epoch,
  epochSeconds,
  validAfter: time,
  freshUntil: time,
  validUntil: time,
  geometry,
  meanDelayMs,
  width,
  nodes: ascending(entry, maxNodes, (a, b) => compareText(a.id, b.id)),
  rest: object<Rest>({ count: integer(0, 2 * maxRegistered), root: hexDigest }),
  revoked: ascending(hexDigest, maxNodes, compareText),
  shared: hexDigest,
  previous: orEmpty(hexDigest),
  log: object<LogHead>({ size: integer(0, maxEpoch), root: hexDigest }),
  votes: counted,
  reveals: counted,
});

const emptyLog = headOf(emptyRange);

/** Spec consensus 4. */
export const consensusShape: Shape<Consensus> = (value, at) => {
  const consensus = consensusMembers(value, at);
  const { validAfter, freshUntil, validUntil, nodes, rest, geometry, revoked, previous, log } = consensus;
  if (validAfter !== consensus.epoch * consensus.epochSeconds)
    refuse('validAfter', 'is not the start of the epoch');
  if (freshUntil !== validAfter + consensus.epochSeconds) refuse('freshUntil', 'is not the end of the epoch');
  if (validUntil < freshUntil || validUntil > freshUntil + staleEpochs * consensus.epochSeconds)
    refuse('validUntil', `is not within ${staleEpochs} epochs of freshUntil`);
  if (nodes.some(({ layer }) => layer > geometry.hops)) refuse('nodes', 'name a layer beyond the last hop');
  const withdrawn = new Set(revoked);
  if (nodes.some(({ id }) => withdrawn.has(id))) refuse('nodes', 'name a revoked one');
  if ((rest.count === 0) !== (rest.root === emptyLog.root)) refuse('rest.root', 'does not fit the count');
  if (log.size > consensus.epoch) refuse('log.size', 'is more than there were epochs');
  if ((log.size === 0) !== (previous === '')) refuse('log.size', 'is not 0 exactly if there is none before');
  if ((log.size === 0) !== (log.root === emptyLog.root)) refuse('log.root', 'does not fit the size');
  unrepeated(
    nodes.map(({ name }) => name),
    'name',
  );
  unrepeated(
    nodes.flatMap((node) => node.domains),
    'served domain',
  );
  return consensus;
};

/** Spec consensus 5. */
export const parametersShape: Shape<Parameters> = object<Parameters>({
  version: oneOf(1),
  epochSeconds,
  geometry,
  meanDelayMs,
});

const slot = integer(0, maxSlots - 1);
const revoked = ascending(hexDigest, maxNodes, compareText);
const compositeKey = base64Of(compositePublicKeyBytes);

/** Spec consensus 11. */
export const certificateShape: Shape<Certificate> = spanned(
  object<Certificate>({
    version: oneOf(1),
    authority,
    identityKey: compositeKey,
    signingKey: compositeKey,
    validAfter: time,
    validUntil: time,
  }),
);

/** Spec agreement 3. */
export const voteShape: Shape<Vote> = object<Vote>({
  version: oneOf(1),
  epoch,
  slot,
  authority,
  previous: orEmpty(hexDigest),
  signed: orEmpty(hexDigest),
  epochSeconds,
  geometry,
  meanDelayMs,
  width,
  descriptors: ascending(object<Listed>({ id: hexDigest, digest: hexDigest }), maxRegistered, (a, b) =>
    compareText(a.id, b.id),
  ),
  revoked,
  commit: hexDigest,
});

/** Spec agreement 4. */
export const revealShape: Shape<Reveal> = object<Reveal>({
  version: oneOf(1),
  epoch,
  slot,
  authority,
  value: hexDigest,
});

/** Spec outage 2. */
export const outageShape: Shape<Outage> = object<Outage>({
  version: oneOf(1),
  epoch,
  authority,
  at: time,
  down: ascending(hexDigest, maxNodes, compareText),
});

/** A node's id: hex SHA-256 of its identity public key, given in base64. */
export function nodeId(identityKey: string): string {
  const bytes = decodeBase64(identityKey);
  return bytes?.length === 32 ? encodeHex(sha256(bytes)) : refuse('identityKey', 'is no base64 of 32 bytes');
}

/** A certificate is for a time, and not for a long one. */
function spanned<T extends { readonly validAfter: number; readonly validUntil: number }>(
  members: Shape<T>,
): Shape<T> {
  return (value, at) => {
    const certificate = members(value, at);
    const span = certificate.validUntil - certificate.validAfter;
    if (span <= 0) refuse('validUntil', 'is not after validAfter');
    if (span > maxCertificateSeconds)
      refuse('validUntil', `is more than ${maxCertificateSeconds} s after validAfter`);
    return certificate;
  };
}

/** A mix has mix keys, a delivery gateway serves domains, and a node is at least one of them. */
function rolesFit(node: Pick<Descriptor, 'roles' | 'domains'>, hasMixKeys: boolean, at: string): void {
  if (node.roles.length === 0) refuse(at, 'has no role');
  if (node.roles.includes('mix') !== hasMixKeys) refuse(at, 'does not have mix keys exactly if it is a mix');
  if (node.roles.includes('delivery') !== node.domains.length > 0)
    refuse(at, 'does not serve domains exactly if it delivers');
}

function unrepeated(values: readonly string[], what: string): void {
  if (new Set(values).size !== values.length) refuse('nodes', `share a ${what}`);
}

/** Texts that have no more than so many characters together. */
function within(list: Shape<string[]>, most: number): Shape<string[]> {
  return (value, at) => {
    const texts = list(value, at);
    return texts.join('').length > most ? refuse(at, `have more than ${most} characters together`) : texts;
  };
}

/** 0, or a power of two. */
function powerOfTwo(most: number): Shape<number> {
  const bounded = integer(0, most);
  return (value, at) => {
    const found = bounded(value, at);
    return found > 0 && !Number.isInteger(Math.log2(found)) ? refuse(at, 'is no power of two') : found;
  };
}

/** http or https, and a path if need be, in the one spelling that the URL standard gives it, without a slash at the end. */
function isBareUrl(value: string): boolean {
  if (value.length > 255 || !/^https?:\/\//.test(value) || value.endsWith('/')) return false;
  const url = URL.parse(value);
  if (url === null || `${url.username}${url.password}${url.search}${url.hash}` !== '') return false;
  return url.href === value || url.href === `${value}/`;
}

/** A mail address or an https URL: shown to people, and followed by them. */
export function isContact(value: string): boolean {
  if (value.length > 254) return false;
  const [local, host, more] = value.split('@');
  if (value.startsWith('https://')) return isBareUrl(value.replace(/\/$/, ''));
  return more === undefined && isDomain(host ?? '') && /^[A-Za-z0-9._+-]{1,64}$/.test(local ?? '');
}

/** A domain name or an IP address, in the one spelling that the URL standard gives it. */
function isHost(value: string): boolean {
  if (!/^[0-9a-z.:-]{1,253}$/.test(value)) return false;
  const bracketed = value.includes(':') ? `[${value}]` : value;
  const parsed = URL.parse(`http://${bracketed}/`);
  if (parsed?.hostname !== bracketed) return false;
  return isDomain(value) || value.includes(':') || /^[0-9.]+$/.test(value);
}
