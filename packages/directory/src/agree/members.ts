import type {
  AuthorityKey,
  CertifiedReader,
  CertifiedSigner,
  SigningKey,
  verifyCertificate,
} from '@postern/protocol/consensus';
import type { AuthorityConfig } from '../config.ts';
import type { SigningKeys } from '../keys/signing.ts';

/** Another authority, as the configuration names it. */
export interface Peer {
  readonly name: string;
  /** http or https, without a slash at the end. */
  readonly url: string;
  readonly key: AuthorityKey;
}

/** The authorities of a network, as one of them sees them. What they send each other brings the certificates by which it is read. */
export interface Members extends CertifiedReader {
  /** Its own name. */
  readonly name: string;
  /** Of all of them, ascending. */
  readonly names: readonly string[];
  readonly others: readonly Peer[];
  /** So many sign a consensus, or it is none. */
  readonly threshold: number;
  readonly authorities: readonly AuthorityKey[];
  /** Of all of them, as far as there are certificates here: for documents as readers get them. */
  readonly signingKeys: readonly SigningKey[];
  /** Its own, for a document of a time, Unix seconds; undefined when no certificate is for that time and the present one. */
  signerFor(seconds: number): CertifiedSigner | undefined;
  /** Unix seconds: until when it can sign. */
  validUntil(): number;
}

interface MembersOptions {
  readonly config: AuthorityConfig;
  readonly keys: SigningKeys;
  /** All authorities, this one too. */
  readonly authorities: readonly AuthorityKey[];
  /** Of the others' signing keys. */
  readonly certificates: { keys(): readonly SigningKey[]; readonly read: typeof verifyCertificate };
}

/** All authorities of a network, as one of them is configured. */
export function membersOf({ config, keys, authorities, certificates }: MembersOptions): Members {
  const { name, peers, threshold } = config;
  return {
    name,
    names: [name, ...peers.map((peer) => peer.name)].sort(),
    others: peers,
    threshold,
    authorities,
    readCertificate: certificates.read,
    get signingKeys() {
      return [...keys.own().map(({ key }) => key), ...certificates.keys()];
    },
    signerFor: (seconds) => keys.signerFor(seconds),
    validUntil: () => keys.validUntil(),
  };
}
