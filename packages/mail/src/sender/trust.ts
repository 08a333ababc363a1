import type { X509Certificate } from 'node:crypto';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { tlsOptions } from '../tls.ts';
import { isAnchor, isNamedItself } from './dane.ts';
import { pinOf } from './pin.ts';
import type { TlsPolicy } from './policy.ts';

/**
 * What a handshake showed. `anchors`: a record of usage 2 names these certificates (PEM) of the peer's own chain. Node
 * has no way to validate a chain but in a handshake, so the next one decides, with them as the only authorities.
 */
export type Trust =
  | { readonly kind: 'trusted' }
  | { readonly kind: 'untrusted' }
  | { readonly kind: 'anchors'; readonly anchors: readonly string[] };

/** How to shake hands under a policy; with `anchors` as authorities once they are known. */
export function handshakeOptions(policy: TlsPolicy, anchors?: readonly string[]): ConnectionOptions {
  const ca = anchors ?? (policy.kind === 'web' ? policy.ca : undefined);
  return {
    ...tlsOptions(policy.kind === 'pin' ? 'TLSv1.3' : 'TLSv1.2'),
    ...(ca === undefined ? {} : { ca: [...ca] }),
    ...(anchors === undefined ? {} : { allowPartialTrustChain: true }),
    // `trustIn` judges, also the name. That the peer holds the key of its certificate is proven by the handshake
    // itself, whatever these options say.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  };
}

/** Judges the peer after a handshake with the options of `handshakeOptions`. */
export function trustIn(socket: TLSSocket, policy: TlsPolicy, anchors?: readonly string[]): Trust {
  const certificate = socket.getPeerX509Certificate(); // once: Node gives the chain away with its first answer
  if (certificate === undefined) return { kind: 'untrusted' };
  switch (policy.kind) {
    case 'pin':
      return verdict(policy.pins.some((pin) => pin.toLowerCase() === pinOf(certificate)));
    case 'web':
      return verdict(socket.authorized && isFor(certificate, policy.names));
    case 'dane': {
      if (isNamedItself(certificate, policy.records)) return { kind: 'trusted' };
      if (anchors !== undefined) return verdict(socket.authorized && isFor(certificate, policy.names));
      const found = issuersOf(certificate).filter((issuer) => isAnchor(issuer, policy.records));
      if (found.length === 0) return { kind: 'untrusted' };
      return { kind: 'anchors', anchors: found.map(String) };
    }
    case 'opportunistic':
      return { kind: 'trusted' };
  }
}

function verdict(holds: boolean): Trust {
  return { kind: holds ? 'trusted' : 'untrusted' };
}

/** By subjectAltName alone (RFC 9525 section 6.3); `*` stands for one whole label. */
function isFor(certificate: X509Certificate, names: readonly string[]): boolean {
  return names.some(
    (name) => certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined,
  );
}

/** What a peer sent behind its own certificate, in whatever order, up to a root: proof of nothing yet. */
function issuersOf(certificate: X509Certificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let issuer = certificate.issuerCertificate;
  while (issuer !== undefined && chain.length < maxIssuers) {
    chain.push(issuer);
    const above = issuer.issuerCertificate;
    issuer = above?.raw.equals(issuer.raw) ? undefined : above;
  }
  return chain;
}

const maxIssuers = 10;
