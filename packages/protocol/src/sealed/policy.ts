import { type Config, enums } from 'openpgp';

/**
 * What OpenPGP.js may do here, said in full at each call: a program may have changed the library's global configuration.
 */
export const policy: Config = {
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
  rejectHashAlgorithms: new Set([enums.hash.md5, enums.hash.ripemd]),
  rejectMessageHashAlgorithms: new Set([enums.hash.md5, enums.hash.ripemd, enums.hash.sha1]),
  rejectPublicKeyAlgorithms: new Set([enums.publicKey.elgamal, enums.publicKey.dsa]),
  rejectCurves: new Set([enums.curve.secp256k1]),
  minRSABits: 2047,
  maxUserIDLength: 5120,
  knownNotations: [],
  ignoreUnsupportedPackets: true,
  enableParsingV5Entities: false,
  parseAEADEncryptedV4KeysAsLegacy: false,
  passwordCollisionCheck: false,
  constantTimePKCS1Decryption: false,
  constantTimePKCS1DecryptionSupportedSymmetricAlgorithms: new Set([
    enums.symmetric.aes128,
    enums.symmetric.aes192,
    enums.symmetric.aes256,
  ]),
  nonDeterministicSignaturesViaNotation: true,
  useEllipticFallback: true,
  preferredAEADAlgorithm: enums.aead.gcm,
  aeadChunkSizeByte: 12,
  s2kType: enums.s2k.iterated,
  s2kIterationCountByte: 224,
  s2kArgon2Params: { passes: 3, parallelism: 4, memoryExponent: 16 },
  versionString: '',
  commentString: '',
};

/**
 * A session key for AES-256 in version 1 of the encrypted data. Left to itself the library takes version 2 when a certificate says that its owner
 * reads it; version 1 everybody reads.
 */
export function sessionKey(data: Uint8Array): { data: Uint8Array; algorithm: 'aes256' } {
  return { data, algorithm: 'aes256' };
}
