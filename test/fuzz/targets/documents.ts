import {
  decodeBase64,
  decodeHex,
  decodeJson,
  encodeBase64,
  encodeHex,
  encodeJson,
  formatNote,
  formatVerifierKey,
  noteSigner,
  parseNote,
  parseVerifierKey,
  signText,
} from '@postern/protocol/codec';
import {
  applyDiff,
  type Certificate,
  type Consensus,
  commitTo,
  decodeConsensus,
  formatAuthorityKey,
  formatCertified,
  formatTold,
  makeDiff,
  type Outage,
  parseAuthorityKey,
  parseTold,
  type Reveal,
  readCertifiedConsensus,
  readReveal,
  readVote,
  signCertifiedConsensus,
  signConsensus,
  signDescriptor,
  signOutage,
  signParameters,
  signReveal,
  signVote,
  tabulate,
  type Vote,
  verifyCertificate,
  verifyConsensus,
  verifyDescriptor,
  verifyNodeCertificate,
  verifyOutage,
  verifyParameters,
  writeGeometry,
} from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import {
  agenda,
  authority1,
  authority2,
  certificateShape,
  consensusShape,
  decodeText,
  descriptorShape,
  encodeText,
  gateway,
  keysOf,
  mix,
  networkNow,
  nodeCertificateShape,
  outageShape,
  parametersShape,
  registered,
  revealShape,
  voteShape,
} from '@postern/protocol/testing';
import { bytes, hold, latin1, type Target, throwUnless, utf8 } from '../target.ts';

const trusted = [authority1, authority2];
const trust = {
  authorities: trusted.map(({ key }) => key),
  threshold: 1,
  signingKeys: trusted.map(({ signingKey }) => signingKey),
  now: networkNow,
};
const ballotReader = { authorities: trust.authorities, at: networkNow };
const descriptors = [mix('mix1.test', { family: 'one' }), gateway('gateway.b.test')];
const parameters = {
  version: 1,
  epochSeconds: 3_600,
  geometry: writeGeometry(defaultGeometry),
  meanDelayMs: 200,
} as const;

const { name, epoch } = { name: authority1.name, epoch: agenda.epoch };
const reveal: Reveal = { version: 1, epoch, slot: 0, authority: name, value: 'ab'.repeat(32) };
const outage: Outage = { version: 1, epoch, authority: name, at: networkNow, down: ['cd'.repeat(32)] };
const vote: Vote = {
  version: 1,
  epoch,
  slot: 0,
  authority: name,
  previous: '',
  signed: '',
  epochSeconds: 3_600,
  geometry: writeGeometry(defaultGeometry),
  meanDelayMs: 200,
  width: agenda.width,
  descriptors: [{ id: 'cd'.repeat(32), digest: 'ef'.repeat(32) }],
  revoked: [],
  commit: commitTo(reveal.value),
};
const nodeKeys = keysOf('mix1.test');
const identity = noteSigner('composite', name, authority1.identity);
const certificate: Certificate = {
  version: 1,
  authority: name,
  identityKey: encodeBase64(identity.publicKey),
  signingKey: encodeBase64(authority1.publicKey),
  validAfter: networkNow - 60,
  validUntil: networkNow + 60,
};

const base = signConsensus(tabulate(registered(descriptors), agenda), [authority1]);
const { digest = '' } = decodeConsensus(base) ?? {};
const neighbours = [
  signConsensus(tabulate(registered(descriptors), { ...agenda, meanDelayMs: 7 }), trusted),
  signConsensus(tabulate(registered([mix('mix2.test'), mix('mix1.test', { family: 'two' })]), agenda), [
    authority1,
  ]),
];

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
  seeds: () => trusted.map(({ vkey }) => bytes(vkey)),
  run(input) {
    const parsed = parseVerifierKey(utf8(input));
    if (parsed !== undefined)
      hold(formatVerifierKey(parsed.name, parsed.bytes) === utf8(input), 'a verifier key: one text for each');
    try {
      const key = parseAuthorityKey(utf8(input));
      hold(formatAuthorityKey(key) === utf8(input), 'an authority key: one text for each');
    } catch (fault) {
      throwUnless(fault, 'wrong-authority');
    }
  },
};

/** What a node says in its answer to EHLO. */
const told: Target = {
  name: 'consensus-told',
  seeds: () => [
    bytes(formatTold({ epoch: 1_000, digest })),
    bytes(`SIZE 1\n${formatTold({ epoch: 0, digest })}`),
  ],
  tokens: ['XPOSTERN ', '\n', digest],
  run(input) {
    const lines = latin1(input).split('\n');
    const parsed = parseTold(lines);
    if (parsed !== undefined) hold(lines.includes(formatTold(parsed)), 'EHLO: one line for each');
  },
};

/** Whole notes: who has no key gets no further than the signatures. */
const signed: Target = {
  name: 'consensus-signed',
  maxBytes: 131_072,
  seeds: () => [
    Buffer.from(signConsensus(consensus(), trusted)),
    Buffer.from(signCertifiedConsensus(consensus(), authority1)),
    Buffer.from(signParameters(parameters, trusted)),
    Buffer.from(authority1.certificate),
    Buffer.from(nodeKeys.members.certificate),
    Buffer.from(signVote(vote, authority1)),
    Buffer.from(signReveal(reveal, authority1)),
    Buffer.from(signOutage(outage, authority1)),
    ...descriptors.map((one) => Buffer.from(signDescriptor(one, keysOf(one.name).signing))),
  ],
  bounded: 100,
  run(input) {
    const text = utf8(input);
    verifyConsensus(text, trust);
    verifyParameters(text, trust);
    verifyCertificate(text, trust);
    readVote(text, ballotReader);
    readReveal(text, ballotReader);
    readCertifiedConsensus(text, trust);
    verifyOutage(text, trust);
    verifyDescriptor(text);
    verifyNodeCertificate(text);
  },
};

/** What stands in a note, as if it were signed: an authority or a node may write anything there. */
const documents: Target = {
  name: 'consensus-text',
  maxBytes: 131_072,
  seeds: () => [
    Buffer.from(encodeText(forms.consensus, consensus())),
    Buffer.from(encodeText(forms.parameters, parameters)),
    Buffer.from(encodeText(forms.certificate, certificate)),
    Buffer.from(parseNote(nodeKeys.members.certificate, 1_024)?.text ?? ''),
    Buffer.from(encodeText(forms.vote, vote)),
    Buffer.from(encodeText(forms.reveal, reveal)),
    Buffer.from(encodeText(forms.outage, outage)),
    Buffer.from(encodeText(forms.descriptor, descriptors[0] ?? mix('mix1.test'))),
  ],
  bounded: 200,
  run(input) {
    const text = utf8(input);
    for (const form of Object.values(forms)) {
      const decoded = decodeText<unknown>(form, text);
      if (decoded.kind !== 'document') continue;
      hold(encodeText<unknown>(form, decoded.value) === text, `${form.origin}: one text for each`);
      verifySigned(text);
    }
  },
};

/** What a directory answers with in place of a consensus, and what it is applied to. */
const diff: Target = {
  name: 'consensus-diff',
  maxBytes: 131_072,
  seeds: () => [...neighbours.map((to) => Buffer.from(makeDiff(base, to) ?? '')), Buffer.from(base)],
  tokens: ['"from":', '"to":', '"nodes":', '"changed":', '"gone":', '"members":', '"signatures":', digest],
  bounded: 100,
  run(input) {
    const text = utf8(input);
    const made = applyDiff(base, text);
    if (made !== undefined) {
      const named = JSON.parse(text).to;
      const decoded = decodeConsensus(made);
      hold(decoded === undefined || decoded.digest === named, 'a diff: it makes what it names');
    }
    for (const to of neighbours) {
      const back = makeDiff(text, to);
      if (back !== undefined) hold(applyDiff(text, back) === to, 'a diff: it makes what it was made for');
    }
  },
};

/** Signs a document for real, so that what follows the signatures is read. Signing takes longer than all else here. */
function verifySigned(text: string): void {
  const note = formatNote({ text, signatures: [signText(text, authority1)] });
  verifyCertificate(formatNote({ text, signatures: [signText(text, identity)] }), trust);
  const { signing } = nodeKeys;
  verifyDescriptor(
    formatNote({ text, signatures: [signText(text, noteSigner('ed25519', 'mix1.test', signing))] }),
  );
  const certified = `${note}\n${authority1.certificate}`;
  readVote(certified, ballotReader);
  readReveal(certified, ballotReader);
  const read = readCertifiedConsensus(certified, trust);
  if (read.kind === 'signed') hold(formatCertified(read.note) === certified, 'one certified note for each');
  verifyOutage(note, trust);
  const verified = verifyConsensus(note, trust);
  if (verified.kind === 'consensus') hold(verified.signedBy.length === 1, 'one authority has signed');
  verifyParameters(note, trust);
}

const forms = {
  certificate: { origin: 'postern.certificate/v1', shape: certificateShape },
  nodeCertificate: { origin: 'postern.node-certificate/v1', shape: nodeCertificateShape },
  consensus: { origin: 'postern.consensus/v1', shape: consensusShape },
  descriptor: { origin: 'postern.descriptor/v1', shape: descriptorShape },
  outage: { origin: 'postern.outage/v1', shape: outageShape },
  parameters: { origin: 'postern.parameters/v1', shape: parametersShape },
  reveal: { origin: 'postern.reveal/v1', shape: revealShape },
  vote: { origin: 'postern.vote/v1', shape: voteShape },
} as const;

function consensus(): Consensus {
  return tabulate(registered(descriptors), agenda);
}

export const documentTargets: readonly Target[] = [base64, json, note, key, signed, documents, diff, told];
