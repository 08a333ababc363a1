import { createPrivateKey, randomBytes } from 'node:crypto';
import {
  createDkimSigner,
  createSmtpSender,
  type DkimKey,
  type DkimResult,
  dkimOwner,
  dkimRecord,
  generateDkimKeys,
  makeCarriage,
  verifyDkim,
} from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { haveMailHost, startMailHost } from './mailhost.ts';
import { haveDkimpy, runPython } from './python.ts';

const keys = (await generateDkimKeys(randomBytes)) as [DkimKey, DkimKey];
const signer = createDkimSigner({ domain: 'a.test', keys });
const now = new Date();
const carriage = makeCarriage({
  fromDomain: 'a.test',
  toDomain: 'b.test',
  bytes: randomBytes(32_768),
  now,
  random: randomBytes,
});
const signed = Buffer.concat([signer.sign(carriage), carriage]);
const zone = new Map(keys.map((key) => [dkimOwner('a.test', key), dkimRecord(key)]));
const author = { local: 'secure', domain: 'a.test' };
const attested = { kind: 'attested', domain: 'a.test', author };

function verify(message: Uint8Array): Promise<DkimResult> {
  return verifyDkim(message, { now, lookupTxt: async (name) => [zone.get(name) ?? []].flat() });
}

describe.skipIf(!haveDkimpy)('with dkimpy', () => {
  const verifiedBy = (message: Buffer): boolean[] =>
    JSON.parse(
      runPython(
        `
import dkim
zone = {name + '.': text for name, text in given['zone'].items()}
message = base64.b64decode(given['message'])
def look_up(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return zone.get(name, '').encode()
def verify(index):
    try:
        return dkim.DKIM(message).verify(index, dnsfunc=look_up)
    except dkim.DKIMException:
        return False
print(json.dumps([verify(0), verify(1)]))
`,
        { zone: Object.fromEntries(zone), message: message.toString('base64') },
      ),
    ) as boolean[];

  test('what we sign verifies, RSA and Ed25519', () => {
    expect(verifiedBy(signed)).toEqual([true, true]);
  });

  test.each([
    'From: <secure@c.test>',
    'To: <secure@c.test>',
    'Padding: x',
    'Subject: x',
    'Reply-To: <x@c.test>',
  ])('it does not with %s in front', (field) => {
    expect(verifiedBy(Buffer.concat([Buffer.from(`${field}\r\n`), signed]))).toEqual([false, false]);
  });

  test.each(keys)('what it signs verifies: $algorithm', async (key) => {
    const fields = runPython(
      `
import dkim
key = base64.b64decode(given['key'])
field = dkim.sign(base64.b64decode(given['message']), given['selector'].encode(), b'a.test', key,
    signature_algorithm=given['algorithm'].encode(), canonicalize=(b'relaxed', b'relaxed'))
print(field.decode(), end='')
`,
      {
        key: itsKey(key).toString('base64'),
        algorithm: key.algorithm,
        selector: key.selector,
        message: Buffer.from(carriage).toString('base64'),
      },
    );
    expect(await verify(Buffer.concat([Buffer.from(fields), carriage]))).toEqual(attested);
  });
});

describe.skipIf(!haveMailHost)('through Debian’s Postfix', () => {
  test('what we sign verifies below its trace', async () => {
    await using host = await startMailHost({
      domain: 'b.test',
      address: '127.0.0.11',
      mailboxes: [{ name: 'secure', password: 'nobody reads it' }],
    });
    await using sender = createSmtpSender({ ehloName: 'gateway.a.test' });
    const peer = { ...host.smtp, tlsPin: host.pin };
    const sent = await sender.send(peer, { from: 'secure@a.test', to: 'secure@b.test', message: signed });
    expect(sent).toMatchObject({ kind: 'sent' });
    const [mail = ''] = await host.takeMail('secure', 1);
    expect(mail).toMatch(/^Received: /m);
    expect(await verify(Buffer.from(mail.replaceAll('\n', '\r\n'), 'latin1'))).toEqual(attested);
  });
});

/** The key as dkimpy wants it: PEM, or base64 of the 32 octets. */
function itsKey({ algorithm, privateKey }: DkimKey): Buffer {
  if (algorithm === 'rsa-sha256') return Buffer.from(privateKey);
  const { d = '' } = createPrivateKey(privateKey).export({ format: 'jwk' });
  return Buffer.from(Buffer.from(d, 'base64url').toString('base64'));
}
