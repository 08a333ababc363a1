import { createMessage, encrypt, type PrivateKey, type PublicKey } from 'openpgp';
import { ProtocolError } from '../errors.ts';
import { systemRandom } from '../primitives/index.ts';
import { isMailbox } from './mailbox.ts';
import { formatOuter } from './outer.ts';
import { policy, sessionKey } from './policy.ts';
import { headerOf, prepare } from './prepare.ts';
import { type OuterField, protect } from './protect.ts';
import { requireEncryptionKey, requireSigningKey } from './usable.ts';

export interface SealOptions {
  /** The author's, not locked. */
  readonly signingKey: PrivateKey;
  /** The recipient's. */
  readonly certificate: PublicKey;
  /** All that is readable without the recipient's key. */
  readonly outer: {
    /** The `secure` mailbox of the recipient's domain. */
    readonly from: string;
    /** The recipient's mailbox. */
    readonly to: string;
    /** Written as the beginning of its hour. */
    readonly date: Date;
    /** With its angle brackets. */
    readonly messageId: string;
  };
  /** When it is signed, which only the recipient sees; the present unless given. */
  readonly now?: Date;
}

// spec sealed 1
/**
 * A message (RFC 5322, any line ends) as PGP/MIME: signed by the author, encrypted to one recipient, its whole header inside. Throws `ProtocolError`:
 * `too-large`, `wrong-message`, `wrong-mailbox`, `key-expired`, `key-revoked`, `key-locked`, `key-unusable`.
 */
export async function seal(message: Uint8Array, options: SealOptions): Promise<Uint8Array> {
  const { signingKey, certificate, now = new Date() } = options;
  const prepared = prepare(message);
  const outer = outerFields(options.outer);
  await requireEncryptionKey(certificate, now, 'recipient');
  await requireSigningKey(signingKey, now);
  const payload = protect(prepared.message, prepared.fields, outer);
  // Longer now than the header was: what `open` would refuse is not sent.
  headerOf(payload);
  return formatOuter(outer, await signAndEncrypt(payload, { signingKey, certificate, now }));
}

/**
 * Makes the checks of `seal` that need no key, for each outside that the message would get. Throws what `seal` would: `too-large`, `wrong-message`,
 * `wrong-mailbox`.
 */
export function requireSealable(message: Uint8Array, outers: readonly SealOptions['outer'][]): void {
  const prepared = prepare(message);
  const header = prepared.message.subarray(0, headerOf(prepared.message).bodyAt);
  for (const outer of outers) headerOf(protect(header, prepared.fields, outerFields(outer)));
}

// spec sealed 5.1
async function signAndEncrypt(
  payload: Uint8Array,
  { signingKey, certificate, now }: { signingKey: PrivateKey; certificate: PublicKey; now: Date },
): Promise<Uint8Array> {
  return encrypt({
    message: await createMessage({ binary: payload, filename: '', date: new Date(0), format: 'binary' }),
    sessionKey: sessionKey(systemRandom.bytes(32)),
    signingKeys: signingKey,
    encryptionKeys: certificate,
    format: 'binary',
    date: now,
    config: policy,
  });
}

// spec sealed 5
function outerFields({ from, to, date, messageId }: SealOptions['outer']): OuterField[] {
  if (!isMailbox(from) || !isMailbox(to))
    throw new ProtocolError('wrong-mailbox', 'a sealed message goes from one plain mailbox to another', {
      hint: 'A mailbox is local@domain: ASCII, no quotes, the domain in lower case.',
    });
  if (!messageIdText.test(messageId) || messageId.length > longestMessageId)
    throw new ProtocolError('wrong-message', 'the outer Message-ID is none (RFC 5322 section 3.6.4)');
  return [
    ['From', from],
    ['To', to],
    ['Date', hourText(date)],
    ['Message-ID', messageId],
  ];
}

/** RFC 5322 section 3.3, on the hour, in universal time. */
function hourText(date: Date): string {
  const hour = new Date(Math.floor(date.getTime() / msPerHour) * msPerHour);
  return hour.toUTCString().replace('GMT', '+0000');
}

const messageIdText = /^<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+>$/;
const longestMessageId = 255;
const msPerHour = 3_600_000;
