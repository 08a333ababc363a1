import type { Geometry } from '@postern/protocol/packet';
import {
  encodeReturnInfo,
  type ReturnInfo,
  reportKeyBytes,
  tokenBytes,
  tokenLifeSeconds,
} from '@postern/protocol/report';
import type { Random } from '@postern/runtime';
import type { Returning, Travel } from '../message.ts';
import type { ReturnTicket } from '../returns/index.ts';
import { type LayerOptions, wayBackTo } from './layers.ts';

/** A return token with its secrets, and what the recipient's gateway gets of it. */
export interface DrawnTicket {
  readonly ticket: ReturnTicket;
  readonly kind: ReturnInfo['kind'];
  /** Encoded return information; empty when no report can come from there. */
  readonly info: Uint8Array;
}

// spec report 2
/** @param expires Unix seconds, of the message; @param now Unix seconds, not later than its submission */
export function drawTicket(
  { domain, served }: Returning,
  mode: Travel['mode'],
  {
    geometry,
    layers,
    expires,
    now,
    random,
  }: {
    geometry: Geometry;
    layers: LayerOptions | undefined;
    expires: number;
    now: number;
    random: Random;
  },
): DrawnTicket {
  const made = (token: Uint8Array, secret: ReturnTicket['secret'], info: ReturnInfo): DrawnTicket => ({
    ticket: { token: Buffer.from(token).toString('hex'), secret, expires: expires + reportSeconds },
    kind: info.kind,
    info: encodeReturnInfo(geometry, info),
  });
  if (mode === 'direct') {
    const [token, key] = [random.bytes(tokenBytes), random.bytes(reportKeyBytes)];
    const known = Math.floor((now + tokenLifeSeconds) / 3_600) * 3_600;
    return made(token, { kind: 'domain', key }, { kind: 'domain', domain, token, key, expires: known });
  }
  // Without a gateway of the consensus for it the author's domain takes nothing from mixes.
  if (!served || layers === undefined)
    return made(random.bytes(tokenBytes), { kind: 'none' }, { kind: 'none' });
  const { id, secrets, surb } = wayBackTo(domain, layers);
  return made(id, { kind: 'surb', secrets, geometry }, { kind: 'surb', surb });
}

/** A message that is dropped at its expiry is reported then, and the report may itself be on its way for days. */
const reportSeconds = 7 * 86_400;
