/** A key and a self-signed certificate for it, as PEM. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}
/** Makes an identity as a node does for itself: ECDSA on P-256, nobody's signature but its own. */
export declare function createIdentity(name: string): Promise<Identity>;
