/**
 * What can go wrong by fault of the program or its configuration. Outcomes that the far side or its people cause are
 * values, not errors.
 *
 * - `bad-domain`: not a domain name in ASCII letters, digits and hyphens (an IDN goes in as its A-labels)
 * - `bad-certificate`: key or certificate cannot be read, or do not belong together
 * - `bad-key`: a DKIM key cannot be read, or is not of its algorithm
 * - `bad-message`: a message to be signed that is none
 * - `bad-options`: an option that cannot work
 * - `cannot-listen`: the listening address cannot be had
 */
export type MailErrorCode =
  | 'bad-domain'
  | 'bad-certificate'
  | 'bad-key'
  | 'bad-message'
  | 'bad-options'
  | 'cannot-listen';

/** A fault of this package's caller. Never carries a mailbox, a key or message content. */
export class MailError extends Error {
  override readonly name = 'MailError';
  readonly code: MailErrorCode;
  /** What to do about it. */
  readonly hint?: string;

  constructor(code: MailErrorCode, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.hint !== undefined) this.hint = options.hint;
  }
}
