import { type Geometry, geometry } from '@postern/protocol/packet';
import { ProtocolError } from '@postern/protocol/report';
import { z } from 'zod';

/** What opens a report of one message to one recipient. */
export type ReturnSecret =
  /** By reply block: its secrets, and the geometry that it is of. */
  | { readonly kind: 'surb'; readonly secrets: Uint8Array; readonly geometry: Geometry }
  /** By domain: the key that the report is sealed under. */
  | { readonly kind: 'domain'; readonly key: Uint8Array }
  /** Nobody but the author's own gateway can report. */
  | { readonly kind: 'none' };

/** A return token, and what it stands for. */
export interface ReturnTicket {
  /** 32 hex digits. */
  readonly token: string;
  readonly secret: ReturnSecret;
  /** Unix seconds: no report comes after that. */
  readonly expires: number;
}

/** What is kept of it: the recipient is not. */
export interface ReturnRecord extends ReturnTicket {
  /** The set that it is of, which names the author's copy. */
  readonly set: string;
  readonly messageId: string;
}

/** The content of `<token>.json`. */
export function encodeReturn({ secret, set, messageId, expires }: ReturnRecord): string {
  const common = { version: 1, kind: secret.kind, set, messageId, expires };
  switch (secret.kind) {
    case 'surb': {
      const { suite, hops, routingBytes, packetBytes } = secret.geometry;
      const sizes = { suite, hops, routingBytes, packetBytes };
      return JSON.stringify({ ...common, geometry: sizes, secrets: hex(secret.secrets) });
    }
    case 'domain':
      return JSON.stringify({ ...common, key: hex(secret.key) });
    case 'none':
      return JSON.stringify(common);
  }
}

/** `undefined` for what `encodeReturn` does not write. */
export function decodeReturn(text: string, token: string): ReturnRecord | undefined {
  const parsed = schema.safeParse(json(text));
  if (!parsed.success) return undefined;
  const { version: _version, set, messageId, expires, ...secret } = parsed.data;
  return { token, set, messageId, expires, secret };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex');
}

const bytes = (pattern: RegExp): z.ZodType<Uint8Array> =>
  z
    .string()
    .regex(pattern)
    .transform((text) => new Uint8Array(Buffer.from(text, 'hex')));

const sizes = z
  .strictObject({ suite: z.int(), hops: z.int(), routingBytes: z.int(), packetBytes: z.int() })
  .transform((given, context): Geometry => {
    try {
      return geometry(given);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });

const common = {
  version: z.literal(1),
  set: z.string().regex(/^[0-9a-f]{32}$/),
  messageId: z.string(),
  expires: z.int().min(0),
};
const schema = z.discriminatedUnion('kind', [
  z.strictObject({
    ...common,
    kind: z.literal('surb'),
    geometry: sizes,
    secrets: bytes(/^(?:[0-9a-f]{2})+$/),
  }),
  z.strictObject({ ...common, kind: z.literal('domain'), key: bytes(/^[0-9a-f]{64}$/) }),
  z.strictObject({ ...common, kind: z.literal('none') }),
]);
