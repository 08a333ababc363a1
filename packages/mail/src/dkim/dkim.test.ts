import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import fc from 'fast-check';
import { dkimSign } from 'mailauth/lib/dkim/sign.js';
import { describe, expect, test } from 'vitest';
import { makeCarriage } from '../carriage/make.ts';
import { openCarriage } from '../carriage/open.ts';
import { relaxedField } from './canonical.ts';
import { type DkimKey, dkimOwner, dkimRecord, generateDkimKeys } from './keys.ts';
import { createDkimSigner } from './sign.ts';
import { type DkimResult, type LookupTxt, verifyDkim } from './verify.ts';

const keys = await generateDkimKeys(randomBytes);
const signer = createDkimSigner({ domain: 'A.test', keys });
const now = new Date('2026-11-23T21:14:07Z');
const bytes = randomBytes(3_000);
const carriage = makeCarriage({ fromDomain: 'a.test', toDomain: 'b.test', bytes, now, random: randomBytes });
const fields = Buffer.from(signer.sign(carriage)).toString('latin1');
const signed = fields + Buffer.from(carriage).toString('latin1');
const zone = zoneOf(keys);
const author = { local: 'secure', domain: 'a.test' };
const attested: DkimResult = { kind: 'attested', domain: 'a.test', author };
const invalid: DkimResult = { kind: 'unattested', reason: 'invalid' };

function zoneOf(published: readonly DkimKey[], domain = 'a.test'): Map<string, string[]> {
  return new Map(published.map((key) => [dkimOwner(domain, key), [dkimRecord(key)]]));
}

const lookupIn =
  (records: ReadonlyMap<string, readonly string[]>): LookupTxt =>
  async (name) =>
    records.get(name) ?? [];

function verify(text: string | Uint8Array, lookupTxt = lookupIn(zone)): Promise<DkimResult> {
  const message = typeof text === 'string' ? Buffer.from(text, 'latin1') : text;
  return verifyDkim(message, { lookupTxt, now });
}

describe('spec submission 4: what is signed', () => {
  test('verifies by each of the two signatures', async () => {
    for (const key of keys) expect(await verify(signed, lookupIn(zoneOf([key])))).toEqual(attested);
  });

  test('still opens', () => {
    expect(openCarriage(Buffer.from(signed, 'latin1'), bytes.length)).toMatchObject({
      kind: 'carriage',
      bytes,
    });
  });

  test('names each field once more than it is there, and tells no time', () => {
    const unfolded = fields
      .replaceAll(/\r\n[ \t]+/g, '')
      .trimEnd()
      .split('\r\n');
    expect(unfolded.map((field) => /a=([^;]*)/.exec(field)?.[1])).toEqual(['rsa-sha256', 'ed25519-sha256']);
    for (const [n, field] of unfolded.entries()) {
      const tags = field.replace('DKIM-Signature: ', '').split(/; ?/);
      expect(tags.map((tag) => tag.split('=')[0])).toEqual(['v', 'a', 'c', 'd', 's', 'h', 'bh', 'b']);
      expect(tags.slice(2, 6)).toEqual([
        'c=relaxed/relaxed',
        'd=a.test',
        `s=${keys[n]?.selector}`,
        'h=From:From:To:To:Date:Date:Message-ID:Message-ID:MIME-Version:MIME-Version:Content-Type:Content-Type:Content-Transfer-Encoding:Content-Transfer-Encoding:Padding:Padding:Sender:Reply-To:Cc:Subject',
      ]);
    }
    expect(fields.split('\r\n').every((line) => line.length < 79)).toBe(true);
  });

  test('verifies by keys whose selectors chance has made numbers', async () => {
    const drawn = [0x00, 0x99];
    const numbers = await generateDkimKeys((length) => new Uint8Array(length).fill(drawn.shift() ?? 0xaa));
    expect(numbers.map(({ selector }) => selector)).toEqual(['0000000000000000', '9999999999999999']);
    const top = Buffer.from(createDkimSigner({ domain: 'a.test', keys: numbers }).sign(carriage));
    for (const key of numbers)
      expect(await verify(Buffer.concat([top, carriage]), lookupIn(zoneOf([key])))).toEqual(attested);
  });

  test('may be any message: folded fields, several of a name, white space, no body', async () => {
    for (const message of [
      'from:Secure <secure@a.test>\r\nSUBJECT : two\r\n\t lines \r\nTo: x@b.test\r\nTo: y@b.test\r\n\r\n a  b \t\r\n\r\n\r\n',
      'Subject: \xe4\xa0\r\nFrom: "A; B" <secure@A.test>\r\n\r\n',
      'From: secure@a.test\r\n',
    ]) {
      const top = Buffer.from(signer.sign(Buffer.from(message, 'latin1'))).toString('latin1');
      for (const key of keys) expect(await verify(top + message, lookupIn(zoneOf([key])))).toEqual(attested);
    }
  });
});

describe('spec submission 5: a trace of mail servers on top leaves it valid', () => {
  test.each([
    'Received: from x by y\r\n\tfor <secure@b.test>; Mon, 23 Nov 2026 21:14:07 +0000\r\n',
    'Return-Path: <secure@a.test>\r\nDelivered-To: secure@b.test\r\nX-Original-To: secure@b.test\r\n',
    'TLS-Required: No\r\n',
    'DKIM-Signature: v=1; a=rsa-sha256; d=c.test; s=x; h=from; bh=; b=\r\n',
    'ARC-Seal: i=1; a=rsa-sha256; d=c.test; s=x; cv=none; b=AAAA\r\n',
  ])('%j', async (trace) => {
    expect(await verify(trace + signed)).toEqual(attested);
  });
});

describe('tampering', () => {
  test.each([
    [
      'the body',
      (text: string) => text.replace(/[A-Z](?=[A-Za-z0-9+/]*={0,2}\r\n$)/, (c) => (c === 'A' ? 'B' : 'A')),
    ],
    ['a line more', (text: string) => `${text}AAAA\r\n`],
    ['a line less', (text: string) => text.replace(/[^\r\n]+\r\n$/, '')],
    ['the recipient', (text: string) => text.replace('To: <secure@b', 'To: <secure@c')],
    ['the date', (text: string) => text.replace('21:00:00', '22:00:00')],
    ['the Message-ID', (text: string) => text.replace(/(?<=Message-ID: <)./, (c) => (c === '0' ? '1' : '0'))],
    ['the padding', (text: string) => text.replace('Padding: x', 'Padding: ')],
    ['a field gone', (text: string) => text.replace('MIME-Version: 1.0\r\n', '')],
    ['a second To', (text: string) => `To: <secure@c.test>\r\n${text}`],
    ['a second To below', (text: string) => text.replace('\r\n\r\n', '\r\nTo: <secure@c.test>\r\n\r\n')],
    ['a second Content-Type', (text: string) => `Content-Type: text/html\r\n${text}`],
    ['a second Date', (text: string) => `Date: Mon, 23 Nov 2026 22:00:00 +0000\r\n${text}`],
    ['a Subject', (text: string) => `Subject: x\r\n${text}`],
    ['a Reply-To', (text: string) => `Reply-To: x@c.test\r\n${text}`],
    ['a Sender', (text: string) => `Sender: x@c.test\r\n${text}`],
    ['a Cc', (text: string) => `cc : x@c.test\r\n${text}`],
  ])('%s', async (_, change) => {
    expect(change(signed)).not.toBe(signed);
    expect(await verify(change(signed))).toEqual(invalid);
  });

  test.each([
    ['another From in front', `From: <secure@c.test>\r\n${signed}`],
    ['the same From in front', `From: <secure@a.test>\r\n${signed}`],
    ['one with white space before the colon', `From : <secure@c.test>\r\n${signed}`],
    ['another From below', signed.replace('\r\n\r\n', '\r\nfrom: <secure@c.test>\r\n\r\n')],
    ['no From', signed.replace('From: <secure@a.test>\r\n', '')],
    ['two mailboxes', signed.replace('From: <secure@a.test>', 'From: <secure@a.test>, <secure@c.test>')],
    ['a group', signed.replace('From: <secure@a.test>', 'From: a: <secure@a.test>;')],
    ['a mailbox in the name of another', signed.replace('From: <', 'From: secure@c.test <')],
    ['no mailbox', signed.replace('From: <secure@a.test>', 'From: <>')],
  ])('%s', async (_, text) => {
    expect(await verify(text)).toEqual({ kind: 'unattested', reason: 'from' });
  });

  test.each([
    ['another domain in From', signed.replace('secure@a.test', 'secure@c.test')],
    ['a domain below', signed.replace('secure@a.test', 'secure@x.a.test')],
    ['no signature', Buffer.from(carriage).toString('latin1')],
  ])('%s', async (_, text) => {
    expect(await verify(text)).toEqual({ kind: 'unattested', reason: 'unsigned' });
  });

  test.each([
    ['nothing', ''],
    ['LF for CRLF', signed.replaceAll('\r\n', '\n')],
    ['a header longer than any carriage’s', `X-Pad: ${'x'.repeat(900)}\r\n`.repeat(30) + signed],
    ['a line of white space in the header', `X-Pad: x\r\n \t \r\n${signed}`],
    ['a line that is no field', `x\r\n${signed}`],
  ])('%s', async (_, text) => {
    expect(await verify(text)).toEqual({ kind: 'unattested', reason: 'header' });
  });

  test('any other octet of the body', async () => {
    const start = signed.indexOf('\r\n\r\n') + 4;
    const at = fc.integer({ min: start, max: signed.length - 1 });
    await fc.assert(
      fc.asyncProperty(at, fc.stringMatching(/^[!-~]$/), async (place, octet) => {
        fc.pre(signed[place] !== octet && !'\r\n'.includes(signed[place] ?? ''));
        expect(await verify(signed.slice(0, place) + octet + signed.slice(place + 1))).toEqual(invalid);
      }),
      { numRuns: 30 },
    );
  });

  test('random changes of the header never throw, and attest nobody else', async () => {
    const change = fc.tuple(fc.nat(3_500), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 5 }), async (changes) => {
        const changed = Buffer.from(signed, 'latin1');
        for (const [place, octet] of changes) changed[place] = octet;
        const result = await verify(changed);
        expect(result.kind === 'attested' ? result.domain : 'a.test').toBe('a.test');
      }),
      { numRuns: 100 },
    );
  });
});

describe('keys', () => {
  const [rsa, ed25519] = keys as [DkimKey, DkimKey];

  test('the record of each algorithm', () => {
    expect(dkimRecord(rsa)).toMatch(/^v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A[A-Za-z0-9+/]{360}$/);
    expect(dkimRecord(ed25519)).toMatch(/^v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=$/);
    expect(dkimOwner('a.test', { selector: 's' })).toBe('s._domainkey.a.test');
  });

  test.each([
    ['bad-key', { ...rsa, algorithm: 'ed25519-sha256' }],
    ['bad-key', { ...ed25519, algorithm: 'rsa-sha256' }],
    ['bad-key', { ...rsa, privateKey: rsaKey(1024).privateKey }],
    ['bad-key', { ...rsa, privateKey: 'x' }],
    ['bad-options', { ...rsa, selector: '' }],
    ['bad-options', { ...rsa, selector: 'a; d=c.test' }],
    ['bad-options', { ...rsa, selector: 's.' }],
    ['bad-options', { ...rsa, selector: `${'s'.repeat(32)}.${'s'.repeat(31)}` }],
  ] as const)('%s for one that does not fit', (code, key) => {
    expect(() => createDkimSigner({ domain: 'a.test', keys: [key] })).toThrow(
      expect.objectContaining({ code }),
    );
  });

  test('none, a domain that is none, a message that is none', () => {
    const throws = (code: string): unknown => expect.objectContaining({ code });
    expect(() => createDkimSigner({ domain: 'a.test', keys: [] })).toThrow(throws('bad-options'));
    expect(() => createDkimSigner({ domain: 'a;', keys })).toThrow(throws('bad-domain'));
    for (const message of [
      '',
      'From: x@a.test\n\nx',
      'To: x@a.test\r\n',
      'From: x@a.test\r\nFrom: x@a.test\r\n',
    ])
      expect(() => signer.sign(Buffer.from(message))).toThrow(throws('bad-message'));
  });

  test.each([
    ['another key', () => [dkimRecord({ ...rsa, privateKey: rsaKey(2048).privateKey })]],
    ['no record', () => []],
    ['two records', (record: string) => [record, record]],
    ['a revoked key', (record: string) => [record.replace(/p=.*/, 'p=')]],
    ['a key for tests', (record: string) => [record.replace('k=', 't=y; k=')]],
    ['a key for something else', (record: string) => [record.replace('k=', 's=tlsrpt; k=')]],
    ['a record that is none', () => ['v=DKIM1; k=rsa; p=!']],
    ['a record without end', (record: string) => [record.replace('k=', `n=${'x'.repeat(2_000)}; k=`)]],
  ])('%s attests nothing', async (_, change) => {
    const only = await signedBy(rsa);
    expect(await verify(only, lookupIn(zone))).toEqual(attested);
    const changed = new Map([[dkimOwner('a.test', rsa), change(dkimRecord(rsa))]]);
    expect(await verify(only, lookupIn(changed))).toEqual(invalid);
  });

  test('RSA of 1024 bits is taken, of 512 not, nor of more than 4096', async () => {
    for (const [bits, result] of [
      [1024, attested],
      [512, invalid],
      [4104, invalid],
    ] as const) {
      const { privateKey, record } = rsaKey(bits);
      const text = await signedBy({ selector: 'weak', algorithm: 'rsa-sha256', privateKey });
      expect(await verify(text, lookupIn(new Map([['weak._domainkey.a.test', [record]]])))).toEqual(result);
    }
  });
});

describe('signatures of other programs', () => {
  const [rsa] = keys as [DkimKey];

  test.each([
    ['simple/simple', { canonicalization: 'simple/simple' }, attested],
    ['one that has expired', { expires: new Date(now.getTime() - 1) }, invalid],
    ['one that will', { expires: new Date(now.getTime() + 60_000) }, attested],
    ['rsa-sha1', { algorithm: 'rsa-sha1' }, invalid],
  ])('%s', async (_, options, result) => {
    expect(await verify(await signedBy(rsa, options))).toEqual(result);
  });

  test('one that does not cover From', async () => {
    expect(await verify(signedByHand(rsa, ['From', 'Date']))).toEqual(attested);
    expect(await verify(signedByHand(rsa, ['To', 'Date']))).toEqual(invalid);
  });

  test('one over part of the body (l=)', async () => {
    const text = await signedBy(rsa, { maxBodyLength: 100 });
    expect(await verify(text)).toEqual({ kind: 'unattested', reason: 'unsigned' });
  });

  test('five are tried and no more', async () => {
    const broken = fields.split(/(?=DKIM-)/)[0]?.replace(/bh=..../, 'bh=AAAA') ?? '';
    expect(await verify(broken.repeat(4) + signed)).toEqual(attested);
    expect(await verify(broken.repeat(5) + signed)).toEqual(invalid);
  });

  test('a key that cannot be looked up is a temporary failure, unless the other signature verifies', async () => {
    const fails: LookupTxt = () => Promise.reject(new Error('SERVFAIL'));
    expect(await verify(signed, fails)).toEqual({ kind: 'temporary' });
    const one: LookupTxt = (name) => (name.startsWith(rsa.selector) ? fails(name) : lookupIn(zone)(name));
    expect(await verify(signed, one)).toEqual(attested);
  });

  test('a resolver that never answers is waited for no longer than told', async () => {
    const lookupTxt: LookupTxt = () => new Promise(() => {});
    const message = Buffer.from(signed, 'latin1');
    expect(await verifyDkim(message, { lookupTxt, now, timeoutMs: 1 })).toEqual({ kind: 'temporary' });
  });

  test('no name of another domain is looked up', async () => {
    const asked: string[] = [];
    const others = fields.replaceAll('d=a.test', 'd=c.test');
    const arc = 'ARC-Message-Signature: i=1; a=rsa-sha256; d=c.test; s=x; h=from; bh=AAAA; b=AAAA\r\n';
    const identity = fields.replaceAll('s=', 's=x.y/; s=');
    await verify(`${others}${arc}${identity}${signed}`, async (name) => {
      asked.push(name);
      return [];
    });
    expect(asked.sort()).toEqual(keys.map((key) => dkimOwner('a.test', key)).sort());
  });
});

/** The carriage with one signature by the library's signer, whose types want twice what it takes once. */
async function signedBy(key: DkimKey, options: object = {}): Promise<string> {
  const of = { signingDomain: 'a.test', selector: key.selector, privateKey: key.privateKey };
  const { signatures } = await dkimSign(Buffer.from(carriage), {
    canonicalization: 'relaxed/relaxed',
    algorithm: key.algorithm,
    signTime: new Date(now.getTime() - 3_600_000),
    ...options,
    ...of,
    signatureData: [{ ...of, ...options }],
  });
  return signatures + Buffer.from(carriage).toString('latin1');
}

/** A correct signature over the fields named and no others. */
function signedByHand(key: DkimKey, names: readonly string[]): string {
  const text = Buffer.from(carriage).toString('latin1');
  const [, bodyHash] = /bh=([^;]+);/.exec(fields) ?? [];
  const unsigned = `DKIM-Signature: v=1; a=${key.algorithm}; c=relaxed/relaxed; d=a.test; s=${key.selector}; h=${names.join(':')}; bh=${bodyHash}; b=`;
  const raws = names.map((name) => new RegExp(`^${name}: .*`, 'm').exec(text)?.[0] ?? '');
  const data = [...raws, unsigned].map(relaxedField).join('\r\n');
  return `${unsigned}${sign('sha256', Buffer.from(data), key.privateKey).toString('base64')}\r\n${text}`;
}

function rsaKey(modulusLength: number): { privateKey: string; record: string } {
  const pair = generateKeyPairSync('rsa', { modulusLength });
  const p = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  const privateKey = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { privateKey, record: `v=DKIM1; k=rsa; p=${p}` };
}
