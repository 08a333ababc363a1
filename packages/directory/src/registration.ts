/** Why a descriptor is not taken. */
export const registerRefusals = [
  'oversized',
  'malformed',
  'unknown-version',
  'bad-signature',
  'revoked',
  'not-allowed',
  'from-the-future',
  'too-old',
  'not-newer',
  'name-taken',
  'domain-taken',
  'too-often',
  'full',
] as const;

export type RegisterRefusal = (typeof registerRefusals)[number];

/** What comes of posting a descriptor. */
export type Registration =
  | {
      readonly kind: 'registered';
      readonly id: string;
      /** It was not here before. */
      readonly isNew: boolean;
    }
  | { readonly kind: 'refused'; readonly reason: RegisterRefusal; readonly detail: string };
