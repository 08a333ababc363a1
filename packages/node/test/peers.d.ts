import type { VerifiedConsensus } from '@postern/directory/client';
import { type Decision } from '@postern/mail';
import type { NodeEntry } from '@postern/protocol/consensus';
import { type TlsCertificate } from '../src/keys/certificate.ts';
/** A node as its peers see it: an SMTP server that keeps what it took. */
export interface Peer extends AsyncDisposable {
  readonly entry: NodeEntry;
  /** Packets in the order in which they came. */
  readonly taken: Uint8Array[];
  /** Whole messages, as they came. */
  readonly messages: Uint8Array[];
  /** The return path of each. */
  readonly returnPaths: string[];
  readonly tls: TlsCertificate;
  /** What it answers from now on. */
  decide(decision: Decision): void;
}
/** A certificate of one's own, made aside. */
export declare function makeCertificate(name: string): Promise<TlsCertificate>;
export declare function startPeer(
  id: string,
  name: string,
  options?: {
    port?: number;
    tls?: TlsCertificate;
  },
): Promise<Peer>;
/** A consensus of these nodes, valid for three hours. */
export declare function consensusOf(nodes: readonly NodeEntry[], nowMs: number): VerifiedConsensus;
