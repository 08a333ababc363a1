import { webcrypto } from 'node:crypto';

// The library's container refuses to load without these functions of the Reflect Metadata proposal; none of what is
// used here asks it for anything.
Object.assign(Reflect, {
  getMetadata: () => undefined,
  getOwnMetadata: () => undefined,
  defineMetadata: () => undefined,
});
const { X509CertificateGenerator } = await import('@peculiar/x509');

/** A key and a self-signed certificate for it, as PEM. */
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
      notBefore: new Date('2026-01-01T00:00:00Z'),
      notAfter: new Date('2046-01-01T00:00:00Z'),
      signingAlgorithm: { name: algorithm.name, hash: 'SHA-256' },
      keys,
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const lines = pkcs8.toString('base64').replace(/.{64}/g, '$&\n');
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
    cert: certificate.toString('pem'),
  };
}

const algorithms = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256' },
  RSA: {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: Uint8Array.of(1, 0, 1),
  },
};
