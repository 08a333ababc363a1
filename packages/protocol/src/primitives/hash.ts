import { provider } from '#provider';

/** FIPS 180-4; 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return provider.sha256(data);
}
