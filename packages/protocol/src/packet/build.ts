import { concat } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { type Random, systemRandom } from '../primitives/index.ts';
import { encryptBody, plainBody } from './body.ts';
import type { Geometry } from './geometry.ts';
import { buildHeader, type Hop } from './header.ts';

// spec packet 7
/**
 * A packet for the first hop of `path`.
 * @param path one hop per layer, the first mix first
 * @param exit the domain to which the last mix hands the payload
 * @param payload exactly `payloadBytes`
 * @throws ProtocolError `wrong-length`, `wrong-path`, `wrong-key`, `wrong-domain`
 */
export function buildPacket(
  g: Geometry,
  epoch: number,
  path: readonly Hop[],
  exit: { readonly domain: string },
  payload: Uint8Array,
  random: Random = systemRandom,
): Uint8Array {
  requirePayload(g, payload);
  const { header, bodyKeys } = buildHeader(g, epoch, path, { kind: 'exit', domain: exit.domain }, random);
  const body = bodyKeys.reduceRight((inner, key) => encryptBody(g, key, inner), plainBody(payload));
  return concat(header, body);
}

export function requirePayload(g: Geometry, payload: Uint8Array): void {
  if (payload.length !== g.payloadBytes)
    throw new ProtocolError(
      'wrong-length',
      `a payload has ${g.payloadBytes} bytes, this one has ${payload.length}`,
    );
}
