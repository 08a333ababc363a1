import { createPrivateKey } from 'node:crypto';
import type { DkimKey } from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { attested, carriage, keys, signed, verify, zone } from './dkim.sample.ts';
import { haveDkimpy, runPython } from './python.ts';

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

/** The key as dkimpy wants it: PEM, or base64 of the 32 octets. */
function itsKey({ algorithm, privateKey }: DkimKey): Buffer {
  if (algorithm === 'rsa-sha256') return Buffer.from(privateKey);
  const { d = '' } = createPrivateKey(privateKey).export({ format: 'jwk' });
  return Buffer.from(Buffer.from(d, 'base64url').toString('base64'));
}
