import { expect, test } from 'vitest';
import { encodeJson } from '../codec/json.ts';
import { formatNote, signText } from '../codec/note.ts';
import { defaultGeometry } from '../packet/index.ts';
import { ed25519 } from '../primitives/index.ts';
import { authority1, authority2 } from '../testing/network.ts';
import { formatAuthorityKey, parseAuthorityKey, type Trust } from './authorities.ts';
import { maxParametersLength } from './documents.ts';
import { writeGeometry } from './geometry.ts';
import { signParameters, verifyParameters } from './parameters.ts';

const parameters = {
  version: 1,
  epochSeconds: 3_600,
  meanDelayMs: 200,
  geometry: writeGeometry(defaultGeometry),
} as const;
const trust: Trust = {
  authorities: [parseAuthorityKey(formatAuthorityKey(authority1.name, ed25519.publicKey(authority1.seed)))],
  threshold: 1,
};

function signedAnyway(value: unknown, origin = 'postern.parameters/v1'): string {
  const text = `${origin}\n${encodeJson(value)}\n`;
  return formatNote({ text, signatures: [signText(text, authority1)] });
}

test('gives what was signed', () => {
  const signed = signParameters(parameters, [authority1]);
  expect(verifyParameters(signed, trust)).toEqual({
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
  expect(verifyParameters(text, trust)).toMatchObject({ kind: 'refused', reason });
});
