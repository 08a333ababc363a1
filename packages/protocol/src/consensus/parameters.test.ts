import { expect, test } from 'vitest';
import { encodeJson } from '../codec/json.ts';
import { formatNote, signText } from '../codec/note.ts';
import { defaultGeometry } from '../packet/index.ts';
import { authority1, authority2, now } from '../testing/network.ts';
import { maxParametersLength } from './documents.ts';
import { writeGeometry } from './geometry.ts';
import { type ParametersReader, signParameters, verifyParameters } from './parameters.ts';

const parameters = {
  version: 1,
  epochSeconds: 3_600,
  meanDelayMs: 200,
  geometry: writeGeometry(defaultGeometry),
} as const;
const reader: ParametersReader = {
  authorities: [authority1.key],
  threshold: 1,
  signingKeys: [authority1.signingKey],
  now,
};

function signedAnyway(value: unknown, origin = 'postern.parameters/v1'): string {
  const text = `${origin}\n${encodeJson(value)}\n`;
  return formatNote({ text, signatures: [signText(text, authority1)] });
}

test('gives what was signed', () => {
  const signed = signParameters(parameters, [authority1]);
  expect(verifyParameters(signed, reader)).toEqual({
    kind: 'parameters',
    parameters,
    geometry: defaultGeometry,
  });
});

const signed = signParameters(parameters, [authority1]);
test.each([
  ['too-few-signatures', signParameters(parameters, [authority2])],
  ['bad-signature', signed.replace('200', '201')],
  ['unknown-version', signedAnyway(parameters, 'postern.parameters/v2')],
  ['malformed', signedAnyway({ ...parameters, more: 1 })],
  ['malformed', signedAnyway({ ...parameters, epochSeconds: 0 })],
  ['malformed', 'x'],
  ['oversized', 'x'.repeat(maxParametersLength + 1)],
  ['wrong-geometry', signedAnyway({ ...parameters, geometry: { ...parameters.geometry, suite: 99 } })],
])('%s', (reason, text) => {
  expect(verifyParameters(text, reader)).toMatchObject({ kind: 'refused', reason });
});

test('signed by a key of another time count as if they were not signed', () => {
  const { validAfter, validUntil } = authority1.signingKey;
  for (const at of [validAfter - 1, validUntil])
    expect(verifyParameters(signed, { ...reader, now: at })).toMatchObject({ reason: 'too-few-signatures' });
});
