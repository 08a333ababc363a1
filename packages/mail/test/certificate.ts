import { type KeyObject, webcrypto, X509Certificate } from 'node:crypto';

// The library's container refuses to load without these functions of the Reflect Metadata proposal; none of what is
// used here asks it for anything.
Object.assign(Reflect, {
  getMetadata: () => undefined,
  getOwnMetadata: () => undefined,
  defineMetadata: () => undefined,
});
const {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} = await import('@peculiar/x509');

/** A key and a certificate for it, as PEM. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** Makes an identity as a node does for itself: ECDSA on P-256, nobody's signature but its own. Or with RSA. */
export async function createIdentity(
  name: string,
  kind: keyof typeof algorithms = 'P-256',
): Promise<Identity> {
  const algorithm = algorithms[kind];
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: '01',
      name: `CN=${name}`,
      ...lifetimes.valid,
      signingAlgorithm: { name: algorithm.name, hash: 'SHA-256' },
      keys,
    },
    webcrypto,
  );
  return { key: await pem(keys.privateKey), cert: certificate.toString('pem') };
}

/** Who signs certificates for others, by the authority above or by itself. */
export interface Authority {
  readonly cert: string;
  readonly name: string;
  readonly signingKey: webcrypto.CryptoKey;
}

interface Issue {
  /** Names in subjectAltName. */
  readonly names?: readonly string[];
  /** Name in the subject. */
  readonly commonName?: string;
  readonly lifetime?: keyof typeof lifetimes;
  /** Extended key usage. */
  readonly usage?: string;
}

export async function createAuthority(
  name: string,
  by?: Authority,
  { ca = true, pathLength }: { ca?: boolean; pathLength?: number } = {},
): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithms['P-256'], true, ['sign', 'verify']);
  const signingKey = by?.signingKey ?? keys.privateKey;
  const certificate = await X509CertificateGenerator.create(
    {
      subject: `CN=${name}`,
      issuer: `CN=${by?.name ?? name}`,
      ...lifetimes.valid,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      publicKey: keys.publicKey,
      signingKey,
      extensions: [new BasicConstraintsExtension(ca, pathLength, true)],
    },
    webcrypto,
  );
  return { cert: certificate.toString('pem'), name, signingKey: keys.privateKey };
}

/** An identity by an authority; `cert` is the server's certificate with those of `chain` behind it. */
export async function issue(
  by: Authority,
  { names = [], commonName = 'server', lifetime = 'valid', usage }: Issue,
  chain: readonly Authority[] = [],
): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(algorithms['P-256'], true, ['sign', 'verify']);
  const alternatives = names.map((value) => ({ type: 'dns' as const, value }));
  const certificate = await X509CertificateGenerator.create(
    {
      subject: `CN=${commonName}`,
      issuer: `CN=${by.name}`,
      ...lifetimes[lifetime],
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      publicKey: keys.publicKey,
      signingKey: by.signingKey,
      extensions: [
        ...(names.length > 0 ? [new SubjectAlternativeNameExtension(alternatives)] : []),
        ...(usage === undefined ? [] : [new ExtendedKeyUsageExtension([usage])]),
      ],
    },
    webcrypto,
  );
  const certificates = [certificate.toString('pem'), ...chain.map(({ cert }) => cert)];
  return { key: await pem(keys.privateKey), cert: certificates.join('\n') };
}

/** The bytes that a TLSA record of this selector is about. */
export function selected(cert: string, selector: number): Buffer {
  const certificate = new X509Certificate(cert);
  const key: KeyObject = certificate.publicKey;
  return selector === 0 ? certificate.raw : key.export({ type: 'spki', format: 'der' });
}

async function pem(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = pkcs8.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`;
}

const lifetimes = {
  valid: { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2046-01-01T00:00:00Z') },
  expired: { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2021-01-01T00:00:00Z') },
  future: { notBefore: new Date('2045-01-01T00:00:00Z'), notAfter: new Date('2046-01-01T00:00:00Z') },
};

const algorithms = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  RSA: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
  },
};
