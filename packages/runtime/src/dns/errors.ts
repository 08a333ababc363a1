/**
 * - `wrong-name`: no domain name of RFC 1035 section 2.3.4
 * - `wrong-anchors`: a file of trust anchors that does not hold
 */
export type DnsErrorCode = 'wrong-name' | 'wrong-anchors';

/** A fault of whoever asks. What a resolver answers, or does not answer, is a value. */
export class DnsError extends Error {
  override readonly name = 'DnsError';
  readonly code: DnsErrorCode;

  constructor(code: DnsErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
