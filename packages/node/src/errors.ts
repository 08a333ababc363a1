/** Every code that a fault of this package may carry. */
export type NodeErrorCode =
  | 'spool-full'
  | 'spool-io'
  | 'spool-damaged'
  | 'spool-in-use'
  | 'spool-closed'
  | 'spool-fault'
  | 'spool-unsafe'
  | 'spool-lost'
  | 'spool-foreign'
  | 'data-in-use'
  | 'other-mix-keys'
  | 'worker-died'
  | 'wrong-key-file'
  | 'missing-key-file'
  | 'key-file-io'
  | 'already-there'
  | 'rotation-under-way'
  | 'clock-behind'
  | 'wrong-network'
  | 'no-network'
  | 'policies-damaged'
  | 'mailbox-unsafe';

/** A fault of a node. What a peer or an author may cause is a value with a `kind`, never this. */
export class NodeError extends Error {
  override readonly name = 'NodeError';
  readonly code: NodeErrorCode;
  /** What to do about it, for the operator. */
  readonly hint?: string;
  /** The process's exit code, where this error ends it. */
  readonly exitCode: number;

  constructor(
    code: NodeErrorCode,
    message: string,
    options: { cause?: unknown; hint?: string; exitCode?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = options.exitCode ?? 1;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}
