import { enums, type PartialConfig } from 'openpgp';

/**
 * What OpenPGP.js may do here, said in full at each call: a program may have changed the library's global configuration.
 */
export const policy: PartialConfig = {
  showVersion: false,
  showComment: false,
  preferredCompressionAlgorithm: enums.compression.uncompressed,
  preferredSymmetricAlgorithm: enums.symmetric.aes256,
  preferredHashAlgorithm: enums.hash.sha512,
  aeadProtect: false,
  v6Keys: false,
  // spec sealed 6.1
  allowUnauthenticatedMessages: false,
  allowUnauthenticatedStream: false,
  enforceGrammar: true,
  ignoreMalformedPackets: false,
  additionalAllowedPackets: [],
  allowInsecureDecryptionWithSigningKeys: false,
  allowInsecureVerificationWithReformattedKeys: false,
  allowMissingKeyFlags: false,
  maxArgon2MemoryExponent: 16,
  // What is compressed is decompressed here, with a limit; the library never does it.
  maxDecompressedMessageSize: 0,
};

/**
 * A session key for AES-256 in version 1 of the encrypted data. Left to itself the library takes version 2 when a certificate says that its owner
 * reads it; version 1 everybody reads.
 */
export function sessionKey(data: Uint8Array): { data: Uint8Array; algorithm: 'aes256' } {
  return { data, algorithm: 'aes256' };
}
