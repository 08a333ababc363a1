import { formatNote, type NoteSigner, parseNote, signText } from '../codec/note.ts';
import type { Geometry } from '../packet/index.ts';
import { maxParametersLength, type Parameters } from './documents.ts';
import { readGeometry } from './geometry.ts';
import { parametersShape } from './schema.ts';
import { decodeText, encodeText, type Form } from './text.ts';
import { checkThreshold, type Shortage, type Trust } from './trust.ts';

const form: Form<Parameters> = { origin: 'postern.parameters/v1', shape: parametersShape };

export type ParametersRefusal =
  | 'oversized'
  | 'malformed'
  | 'unknown-version'
  | 'bad-signature'
  | Shortage
  | 'wrong-geometry';

export type VerifiedParameters =
  | { readonly kind: 'parameters'; readonly parameters: Parameters; readonly geometry: Geometry }
  | {
      readonly kind: 'refused';
      readonly reason: ParametersRefusal;
      readonly detail: string;
      /** As with `Untrusted`. */
      readonly uncertified?: readonly string[];
    };

/** What a reader brings to parameters. */
export interface ParametersReader extends Trust {
  /** Unix seconds. */
  readonly now: number;
}

/** Parameters as a note signed by each of `signers` (spec consensus 5). Throws `ProtocolError` `wrong-document`. */
export function signParameters(parameters: Parameters, signers: readonly NoteSigner[]): string {
  const text = encodeText(form, parameters);
  return formatNote({ text, signatures: signers.map((signer) => signText(text, signer)) });
}

/** Reads signed parameters under the same threshold as a consensus. Throws only for a trust that cannot hold. */
export function verifyParameters(signed: string, reader: ParametersReader): VerifiedParameters {
  if (signed.length > maxParametersLength)
    return refused('oversized', `they are longer than ${maxParametersLength} characters`);
  const note = parseNote(signed, maxParametersLength);
  if (note === undefined) return refused('malformed', 'they are no signed note');
  const signatures = checkThreshold(note, reader, reader.now);
  if (signatures.kind === 'refused') return signatures;
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const geometry = readGeometry(decoded.value.geometry);
  if (geometry === undefined)
    return refused('wrong-geometry', 'their packet geometry is not one that this version knows');
  return { kind: 'parameters', parameters: decoded.value, geometry };
}

function refused(reason: ParametersRefusal, detail: string): VerifiedParameters {
  return { kind: 'refused', reason, detail };
}
