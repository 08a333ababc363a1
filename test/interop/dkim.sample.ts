import { randomBytes } from 'node:crypto';
import {
  createDkimSigner,
  type DkimKey,
  type DkimResult,
  dkimOwner,
  dkimRecord,
  generateDkimKeys,
  makeCarriage,
  verifyDkim,
} from '@postern/mail';

export const keys = (await generateDkimKeys(randomBytes)) as [DkimKey, DkimKey];
const signer = createDkimSigner({ domain: 'a.test', keys });
const now = new Date();
export const carriage = makeCarriage({
  fromDomain: 'a.test',
  toDomain: 'b.test',
  bytes: randomBytes(32_768),
  now,
  random: randomBytes,
});
/** The carriage with its signatures. */
export const signed = Buffer.concat([signer.sign(carriage), carriage]);
export const zone = new Map(keys.map((key) => [dkimOwner('a.test', key), dkimRecord(key)]));
const author = { local: 'secure', domain: 'a.test' };
export const attested = { kind: 'attested', domain: 'a.test', author };

/** As the records of `zone` have it. */
export function verify(message: Uint8Array): Promise<DkimResult> {
  return verifyDkim(message, { now, lookupTxt: async (name) => [zone.get(name) ?? []].flat() });
}
