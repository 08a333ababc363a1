import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** TLS as both ends of a connection want it: between nodes 1.3 alone, with others at least what RFC 9325 recommends. */
export function tlsOptions(minVersion: TlsVersion): SecureContextOptions {
  if (minVersion === 'TLSv1.3') return { minVersion, ecdhCurve: keyExchange };
  return {
    minVersion,
    ecdhCurve: `${keyExchange}:P-256:P-384`,
    ciphers,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** Key exchange of TLS between nodes, the preferred one first: safe against a quantum computer, or at least against today's. */
const keyExchange = 'X25519MLKEM768:X25519';

/** Forward secrecy and authenticated encryption (RFC 9325 section 4.2). */
const ciphers = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':');
