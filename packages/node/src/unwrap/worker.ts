import { type EnvelopeKey, type Fragment, loadEnvelopeKey, openEnvelope } from '@postern/protocol/envelope';
import { decodeUnit, type Geometry } from '@postern/protocol/packet';
import { answerIn } from '../answer.ts';

export interface UnwrapSetup {
  readonly geometry: Geometry;
  /** OpenPGP secret keys of the domain, binary. */
  readonly secretKeys: readonly Uint8Array[];
}

export type UnwrapTask = readonly Uint8Array[];

/** One unit, opened. */
export type Unwrapped =
  | { readonly kind: 'fragment'; readonly fragment: Fragment }
  /** The body of a reply, for the author whose token the SURB's id is. */
  | { readonly kind: 'reply'; readonly surbId: Uint8Array; readonly body: Uint8Array }
  /** None of the keys opens it. */
  | { readonly kind: 'no-key' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'fault' };

answerIn<UnwrapSetup, UnwrapTask, Unwrapped[]>(async ({ geometry, secretKeys }) => {
  const keys = await Promise.all(secretKeys.map(loadEnvelopeKey));
  return (units) => Promise.all(units.map((unit) => open(geometry, keys, unit)));
});

async function open(geometry: Geometry, keys: readonly EnvelopeKey[], bytes: Uint8Array): Promise<Unwrapped> {
  try {
    const unit = decodeUnit(geometry, bytes);
    if (unit.kind === 'reply') return unit;
    if (unit.kind === 'refused') return { kind: 'refused' };
    const opened = await openEnvelope(unit.envelope, keys);
    if (opened.kind === 'fragment') return opened;
    return { kind: opened.reason === 'no-key' ? 'no-key' : 'refused' };
  } catch {
    // No unit makes these throw. Should one do so all the same, it must not come back for ever.
    return { kind: 'fault' };
  }
}
