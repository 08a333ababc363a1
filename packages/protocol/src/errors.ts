/** Every code that a fault of this package may carry. Each area adds its own. */
export type ProtocolErrorCode =
  | 'wrong-geometry'
  | 'wrong-length'
  | 'wrong-path'
  | 'wrong-domain'
  | 'wrong-key'
  | 'wrong-surb'
  | 'wrong-encoding'
  | 'wrong-document'
  | 'wrong-authority'
  | 'wrong-message'
  | 'wrong-mailbox'
  | 'wrong-fragment'
  | 'wrong-record'
  | 'too-large'
  | 'key-expired'
  | 'key-revoked'
  | 'key-locked'
  | 'key-unusable';

/** A fault: a caller broke a contract. What a peer may send is a value with a `kind`, never this. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly code: ProtocolErrorCode;
  /** What to do about it, for the person in front. */
  readonly hint?: string;

  constructor(code: ProtocolErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}
