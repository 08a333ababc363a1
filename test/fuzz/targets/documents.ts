import {
  decodeBase64,
  decodeHex,
  decodeJson,
  encodeBase64,
  encodeHex,
  encodeJson,
  formatNote,
  formatNoteKey,
  noteKey,
  parseNote,
  parseNoteKey,
  signText,
} from '@postern/protocol/codec';
import {
  type Consensus,
  parseAuthorityKey,
  signConsensus,
  signDescriptor,
  signParameters,
  tabulate,
  verifyConsensus,
  verifyDescriptor,
  verifyParameters,
  writeGeometry,
} from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { ed25519 } from '@postern/protocol/primitives';
import {
  agenda,
  authority1,
  authority2,
  consensusShape,
  decodeText,
  descriptorShape,
  encodeText,
  gateway,
  mix,
  networkNow,
  parametersShape,
  seedOf,
} from '@postern/protocol/testing';
import { bytes, hold, latin1, type Target, throwUnless, utf8 } from '../target.ts';

const trusted = [authority1, authority2];
const trust = {
  authorities: trusted.map(({ name, seed }) => noteKey(name, ed25519.publicKey(seed))),
  threshold: 1,
};
const descriptors = [mix('mix1.test', { family: 'one' }), gateway('gateway.b.test')];
const parameters = {
  version: 1,
  epochSeconds: 3_600,
  geometry: writeGeometry(defaultGeometry),
  meanDelayMs: 200,
} as const;

const base64: Target = {
  name: 'codec-base64',
  seeds: () => [0, 1, 2, 3].map((length) => bytes(encodeBase64(new Uint8Array(length).fill(0xfb)))),
  run(input) {
    const decoded = decodeBase64(latin1(input));
    if (decoded !== undefined) hold(encodeBase64(decoded) === latin1(input), 'base64: one text for each');
    const octets = decodeHex(latin1(input));
    if (octets !== undefined) hold(encodeHex(octets) === latin1(input), 'hex: one text for each');
  },
  tokens: ['==', '=', '+/', 'fb'],
};

const json: Target = {
  name: 'codec-json',
  maxBytes: 131_072,
  seeds: () => [bytes(encodeJson({ a: [1, 'x', null, true, 1e21], é: { b: -0.5 } })), bytes('"\\u0000"')],
  tokens: ['{"', '":', '[', '1e400', '\\ud800', '"__proto__":', '-0', '1.0', '{}', '[]'],
  run(input) {
    const decoded = decodeJson(utf8(input));
    if (decoded.kind === 'json') hold(encodeJson(decoded.value) === utf8(input), 'JSON: one text for each');
  },
};

const note: Target = {
  name: 'codec-note',
  maxBytes: 131_072,
  seeds: () => {
    const text = 'origin\nline\n';
    return [Buffer.from(formatNote({ text, signatures: trusted.map((signer) => signText(text, signer)) }))];
  },
  tokens: ['\n\n', '\u2014 ', 'authority1.test'],
  run(input) {
    const parsed = parseNote(utf8(input), 4_096);
    if (parsed !== undefined) hold(formatNote(parsed) === utf8(input), 'a note: one text for each');
  },
};

const key: Target = {
  name: 'codec-note-key',
  seeds: () => trust.authorities.map((each) => bytes(formatNoteKey(each))),
  run(input) {
    const parsed = parseNoteKey(utf8(input));
    if (parsed !== undefined)
      hold(formatNoteKey(parsed) === utf8(input), 'a verifier key: one text for each');
    try {
      parseAuthorityKey(utf8(input));
    } catch (fault) {
      throwUnless(fault, 'wrong-authority');
    }
  },
};

/** Whole notes: who has no key gets no further than the signatures. */
const signed: Target = {
  name: 'consensus-signed',
  maxBytes: 131_072,
  seeds: () => [
    Buffer.from(signConsensus(consensus(), trusted)),
    Buffer.from(signParameters(parameters, trusted)),
    ...descriptors.map((one) => Buffer.from(signDescriptor(one, seedOf(one.name)))),
  ],
  bounded: 100,
  run(input) {
    const text = utf8(input);
    verifyConsensus(text, { ...trust, now: networkNow });
    verifyParameters(text, trust);
    verifyDescriptor(text);
  },
};

/** What stands in a note, as if it were signed: an authority or a node may write anything there. */
const documents: Target = {
  name: 'consensus-text',
  maxBytes: 131_072,
  seeds: () => [
    Buffer.from(encodeText(forms.consensus, consensus())),
    Buffer.from(encodeText(forms.parameters, parameters)),
    Buffer.from(encodeText(forms.descriptor, descriptors[0] ?? mix('mix1.test'))),
  ],
  bounded: 200,
  run(input) {
    const text = utf8(input);
    for (const form of [forms.consensus, forms.descriptor, forms.parameters] as const) {
      const decoded = decodeText<unknown>(form, text);
      if (decoded.kind === 'document')
        hold(encodeText<unknown>(form, decoded.value) === text, `${form.origin}: one text for each`);
    }
    verifySigned(text);
  },
};

/** Signs the text for real, so that what follows the signatures is read. */
function verifySigned(text: string): void {
  if (!text.endsWith('\n') || !text.isWellFormed()) return;
  const note = formatNote({ text, signatures: [signText(text, authority1)] });
  const verified = verifyConsensus(note, { ...trust, now: networkNow });
  if (verified.kind === 'consensus') hold(verified.signedBy.length === 1, 'one authority has signed');
  verifyParameters(note, trust);
}

const forms = {
  consensus: { origin: 'postern.consensus/v1', shape: consensusShape },
  descriptor: { origin: 'postern.descriptor/v1', shape: descriptorShape },
  parameters: { origin: 'postern.parameters/v1', shape: parametersShape },
} as const;

function consensus(): Consensus {
  return tabulate(descriptors, agenda);
}

export const documentTargets: readonly Target[] = [base64, json, note, key, signed, documents];
