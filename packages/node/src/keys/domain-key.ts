import { join } from 'node:path';
import { formatZone, makeRecord } from '@postern/protocol/dns';
import { generateDomainKey, loadEnvelopeKey } from '@postern/protocol/envelope';
import { writeFileDurable } from '@postern/runtime';
import { readKeyFile, wrongKeyFile } from './files.ts';

/** Years that the domain's record says authors may use its key for. */
const lifeSeconds = 2 * 365 * 86_400;
/** Largest message that an author may send, as the record says. */
const maxBytes = 25_000_000;

/**
 * Makes a domain's OpenPGP key: `domain.key`, and `<domain>.zone` with the records that authors look up or pin.
 * Gives the path of the latter.
 */
export async function createDomainKey(dataDir: string, domain: string, nowSeconds: number): Promise<string> {
  const { secretKey, certificate } = await generateDomainKey(domain);
  await writeFileDurable(join(dataDir, 'domain.key'), secretKey);
  const expires = nowSeconds + lifeSeconds;
  const record = makeRecord({ domain, certificate, tls: 'require', mix: true, maxBytes, expires });
  const zone = formatZone(record);
  const path = join(dataDir, `${domain}.zone`);
  await writeFileDurable(path, zone, { mode: 0o644 });
  return path;
}

/** The domain's OpenPGP secret key, binary, one that opens envelopes. Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function loadDomainKey(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, 'domain.key');
  const secretKey = await readKeyFile(path);
  try {
    await loadEnvelopeKey(secretKey);
  } catch (cause) {
    throw wrongKeyFile(path, 'OpenPGP secret key of a domain', cause);
  }
  return secretKey;
}
