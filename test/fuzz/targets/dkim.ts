import { createDkimSigner, dkimRecord, makeCarriage, verifyDkim } from '@postern/mail';
import { bytes, hold, latin1, type Target } from '../target.ts';
import { dkimSecrets } from './keys.ts';
import { joined, carriageParts as parts, words } from './letters.ts';

const dkimKeys = [
  { selector: 'e', algorithm: 'ed25519-sha256', privateKey: dkimSecrets.ed25519 } as const,
  { selector: 'r', algorithm: 'rsa-sha256', privateKey: dkimSecrets.rsa } as const,
];
const records = new Map(dkimKeys.map((key) => [`${key.selector}._domainkey.a.test`, dkimRecord(key)]));

let signed: Uint8Array = new Uint8Array();

/** Signatures that anybody can write, over keys that the domain in them publishes. */
const dkim: Target = {
  name: 'dkim',
  maxBytes: 131_072,
  async seeds() {
    const message = makeCarriage(parts);
    const fields = createDkimSigner({ domain: 'a.test', keys: dkimKeys }).sign(message);
    signed = joined(fields, message);
    await verifyDkim(signed, { lookupTxt: async () => [], now: parts.now }); // the library is loaded with the first
    return [signed, joined(simpleSignature, message)];
  },
  tokens: [
    'DKIM-Signature: ',
    'v=1; ',
    'a=rsa-sha256; ',
    'c=simple/simple; ',
    'h=from:from; ',
    'l=0; ',
    'x=1; ',
    't=',
    'i=@a.test; ',
    'bh=',
    'b=',
    ...words,
  ],
  bounded: 30,
  async run(input) {
    let asked = 0;
    const lookupTxt = async (name: string): Promise<string[]> => {
      asked++;
      hold(
        name.endsWith('._domainkey.a.test') || !latin1(input).includes('@a.test'),
        'no other domain is asked',
      );
      const text = records.get(name);
      return text === undefined ? [] : [text];
    };
    const result = await verifyDkim(input, { lookupTxt, now: parts.now });
    if (result.kind === 'attested') hold(asked > 0, 'nothing is attested without a key');
  },
};
const simpleSignature = `DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=a.test; s=r; t=1; x=9999999999;\r\n h=from:to; bh=${'A'.repeat(43)}=; b=${'A'.repeat(342)}==\r\n`;

/** A key record of another domain, which is anybody's text. */
const dkimKeyText: Target = {
  name: 'dkim-record',
  maxBytes: 4_096,
  async seeds() {
    await dkim.seeds();
    return [...records.values(), 'v=DKIM1; t=y:s; k=rsa; n=note; p='].map((text) => bytes(text));
  },
  tokens: ['v=DKIM1; ', 'k=rsa; ', 'k=ed25519; ', 'p=', 't=y; ', 'h=sha1; ', 's=email; '],
  bounded: 30,
  async run(input) {
    const result = await verifyDkim(signed, { lookupTxt: async () => [latin1(input)], now: parts.now });
    if (result.kind === 'attested') hold(result.domain === 'a.test', 'only the author’s domain attests');
  },
};

export const dkimTargets: readonly Target[] = [dkim, dkimKeyText];
