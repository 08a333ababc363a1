/*
 * What stands in packet*.json. Byte strings are lower-case hexadecimal. Sections are those of docs/spec/packet.md.
 */

export interface VectorFile {
  readonly description: string;
  readonly vectors: readonly Vector[];
}

export type Vector = ForwardVector | ReplyVector | RefusalVector | ReplyRefusalVector | UnitRefusalVector;

/** The four given numbers of section 3, and the epoch. */
export interface Network {
  readonly suite: number;
  readonly hops: number;
  readonly routingBytes: number;
  readonly packetBytes: number;
  readonly epoch: number;
}

export interface VectorHop {
  readonly nodeId: string;
  /** The mix's private key. */
  readonly seed: string;
  readonly mixKey: string;
  readonly delayMs: number;
  /** 64 bytes for X-Wing's EncapsulateDerand. */
  readonly eseed: string;
}

export interface ForwardVector {
  readonly kind: 'forward';
  readonly name: string;
  readonly network: Network;
  readonly geometryDigest: string;
  readonly path: readonly VectorHop[];
  readonly domain: string;
  readonly payload: string;
  /** What section 7 makes. */
  readonly packet: string;
  /** What section 8 makes at each hop. */
  readonly peels: readonly VectorPeel[];
}

export interface ReplyVector extends Omit<ForwardVector, 'kind'> {
  readonly kind: 'reply';
  readonly surbId: string;
  readonly firstKey: string;
  /** What section 9.1 makes. */
  readonly surb: string;
  readonly secrets: string;
}

export interface VectorPeel {
  /** The random bytes at the end of what is passed on. */
  readonly fill: string;
  readonly result:
    | {
        readonly kind: 'relay';
        readonly replayTag: string;
        readonly nextNode: string;
        readonly delayMs: number;
        readonly packet: string;
      }
    | {
        readonly kind: 'exit';
        readonly replayTag: string;
        readonly domain: string;
        readonly delayMs: number;
        readonly unit: string;
      };
}

export interface RefusalVector {
  readonly kind: 'refusal';
  readonly name: string;
  readonly network: Network;
  readonly node: { readonly nodeId: string; readonly seed: string };
  readonly packet: string;
  /** Section 8. */
  readonly reason: string;
}

export interface ReplyRefusalVector {
  readonly kind: 'reply-refusal';
  readonly name: string;
  readonly network: Network;
  readonly secrets: string;
  readonly body: string;
  /** Section 9.3. */
  readonly reason: string;
}

export interface UnitRefusalVector {
  readonly kind: 'unit-refusal';
  readonly name: string;
  readonly network: Network;
  readonly unit: string;
  /** Section 10. */
  readonly reason: string;
}
