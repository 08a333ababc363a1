import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { spkiPin } from '@postern/mail';
import { type Random, writeFileDurable } from '@postern/runtime';
import { readKeyFile, readPublicFile, wrongKeyFile } from './files.ts';

/** What a node shows at STARTTLS. Peers know its key from the consensus, so nobody else signs it. */
export interface TlsCertificate {
  /** PEM, PKCS #8. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
  /** Hex SHA-256 of the SubjectPublicKeyInfo. */
  readonly pin: string;
}

/** Makes `tls.key` and `tls.crt`: self-signed, ECDSA P-256, for as long as X.509 can say, since the pin is what counts. */
export async function createCertificate(
  dataDir: string,
  name: string,
  random: Random,
): Promise<TlsCertificate> {
  const { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } = await loadX509();
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: Buffer.from(random.bytes(16)).toString('hex'),
    name: `CN=${name}`,
    notBefore: new Date(Date.UTC(2020, 0, 1)),
    notAfter: new Date(Date.UTC(9999, 11, 31, 23, 59, 59)),
    keys,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  const cert = certificate.toString('pem');
  await writeFileDurable(join(dataDir, 'tls.key'), `${key}\n`);
  await writeFileDurable(join(dataDir, 'tls.crt'), `${cert}\n`, { mode: 0o644 });
  return { key, cert, pin: spkiPin(cert) };
}

/** Loaded where a certificate is made and nowhere else: a running node has no use for it. */
function loadX509(): Promise<typeof import('@peculiar/x509')> {
  // Its container refuses to load without these functions of the Reflect Metadata proposal; nothing here makes it ask
  // them for anything.
  Object.assign(Reflect, {
    getMetadata: () => undefined,
    getOwnMetadata: () => undefined,
    defineMetadata: () => undefined,
  });
  return import('@peculiar/x509');
}

/** Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function loadCertificate(dataDir: string): Promise<TlsCertificate> {
  const path = join(dataDir, 'tls.crt');
  const key = Buffer.from(await readKeyFile(join(dataDir, 'tls.key'))).toString('utf8');
  const cert = Buffer.from(await readPublicFile(path)).toString('utf8');
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
      return { key, cert, pin: spkiPin(cert) };
  } catch (cause) {
    throw wrongKeyFile(path, 'certificate', cause);
  }
  throw wrongKeyFile(path, 'certificate of the key beside it');
}
