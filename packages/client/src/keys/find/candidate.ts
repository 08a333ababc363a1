import type { Key, PublicKey } from 'openpgp';
import { fingerprintOf, flawOf, mailboxesOf, readKeyFile, storedMailbox } from '../certificate.ts';

/** A certificate that a source has for a mailbox. */
export interface Candidate {
  /** With the user ids of that mailbox alone. */
  readonly certificate: PublicKey;
  readonly fingerprint: string;
  readonly userIds: readonly string[];
  readonly created: Date;
  readonly expires: Date | null;
  readonly algorithm: string;
  /** Why it cannot be used: `names no bob@b.example`, `is revoked`. */
  readonly flaw?: string;
}

/** The certificates in what a source has, each judged as an import is. Throws `bad-file` for what holds none. */
export async function candidatesIn(
  content: readonly Uint8Array[],
  mailbox: string,
  now: Date,
): Promise<Candidate[]> {
  const keys = (await Promise.all(content.map((each) => readKeyFile(each, 'what was found')))).flat();
  const judged = await Promise.all(keys.map((key) => judge(key, mailbox, now)));
  return [...new Map(judged.map((each) => [each.fingerprint, each])).values()];
}

async function judge(key: Key, mailbox: string, now: Date): Promise<Candidate> {
  const certificate = key.toPublic();
  certificate.users = certificate.users.filter(
    ({ userID }) => userID !== null && storedMailbox(userID.email) === mailbox,
  );
  const claimed = await mailboxesOf(certificate, now);
  const flaw = key.isPrivate()
    ? 'lies there with its secret key'
    : claimed.includes(mailbox)
      ? await flawOf(certificate, now)
      : `names no ${mailbox}`;
  const expires = claimed.includes(mailbox) ? await certificate.getExpirationTime() : null;
  const { algorithm, curve, bits } = certificate.getAlgorithmInfo();
  return {
    certificate,
    fingerprint: fingerprintOf(certificate),
    userIds: certificate.getUserIDs(),
    created: certificate.getCreationTime(),
    expires: expires instanceof Date ? expires : null,
    algorithm: [algorithm, curve, bits].filter((each) => each !== undefined).join(' '),
    ...(flaw === undefined ? {} : { flaw }),
  };
}
