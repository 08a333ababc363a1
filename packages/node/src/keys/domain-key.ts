import { join } from 'node:path';
import { encodeHex } from '@postern/protocol/codec';
import { formatZone } from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import { sha256 } from '@postern/protocol/primitives';
import { writeFileDurable } from '@postern/runtime';
import { readKeyFile } from './files.ts';

/** Years that the domain's record says authors may use its key for. */
const lifeSeconds = 2 * 365 * 86_400;
/** Largest message that an author may send, as the record says. */
const maxBytes = 25_000_000;

/**
 * Makes a domain's OpenPGP key: `domain.key`, and `<domain>.zone` with the records that authors look up or pin.
 * Gives the path of the latter.
 */
export async function createDomainKey(dataDir: string, domain: string, nowSeconds: number): Promise<string> {
  const { secretKey, certificate, fingerprint } = await generateDomainKey(domain);
  await writeFileDurable(join(dataDir, 'domain.key'), secretKey);
  const zone = formatZone({
    domain,
    mailbox: 'secure',
    fingerprint,
    certificateDigest: encodeHex(sha256(certificate)),
    tls: 'require',
    mix: true,
    maxBytes,
    expires: nowSeconds + lifeSeconds,
    certificate,
  });
  const path = join(dataDir, `${domain}.zone`);
  await writeFileDurable(path, zone, { mode: 0o644 });
  return path;
}

/** The domain's OpenPGP secret key, binary. Throws `NodeError` `missing-key-file`. */
export function loadDomainKey(dataDir: string): Promise<Uint8Array> {
  return readKeyFile(join(dataDir, 'domain.key'));
}
