import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../chance/seeded-random.ts';
import { encodings } from './encodings.ts';
import { byteFact, type Fact, textFact } from './facts.ts';
import { createSearcher } from './search.ts';

const local = textFact('author mailbox', 'local part', 'alice');
const short = textFact('recipient mailbox', 'local part', 'bob');
const mailbox = textFact('author mailbox', 'mailbox', 'alice@a.test');
const domain = textFact('author domain', 'domain', 'a.test');
const subject = textFact('content', 'subject', 'Grüße aus Zürich');
const keyId = byteFact('content', 'key id', Buffer.from('c0ffee0123456789', 'hex'));
const facts = [local, short, mailbox, domain, subject, keyId];
const { search } = createSearcher(facts);

const chance = new SeededRandom('searched');
const noise = (length: number): Buffer => Buffer.from(chance.bytes(length));
const among = (bytes: Uint8Array | string): Buffer =>
  Buffer.concat([noise(5_000), Buffer.from(bytes), noise(5_000)]);
const found = (data: Uint8Array): Set<Fact> => new Set(search(data).map(({ fact }) => fact));
const sentence = 'X-Note: sent by Alice <alice@a.test> to bob, re "Grüße aus Zürich".\r\n';

describe('the searcher finds', () => {
  test.each(Object.keys(encodings))('%s', (name) => {
    const data = among(encodings[name]?.(sentence) ?? '');
    expect(found(data)).toEqual(new Set([local, short, mailbox, domain, subject]));
  });

  test.each<[string, (bytes: Buffer) => Uint8Array | string]>([
    ['as it is', (bytes) => bytes],
    ['hex', (bytes) => bytes.toString('hex').toUpperCase()],
    ['base64', (bytes) => bytes.toString('base64')],
    [
      'base64, one byte on',
      (bytes) => Buffer.concat([Buffer.from('#'), bytes, noise(30)]).toString('base64'),
    ],
    ['zlib', (bytes) => deflateSync(Buffer.concat([bytes, Buffer.alloc(500)]))],
  ])('bytes: %s', (_, encode) => {
    expect(found(among(encode(Buffer.from(keyId.bytes))))).toContain(keyId);
  });

  test('a raw deflate stream at the beginning', () => {
    expect(found(deflateRawSync(sentence))).toContain(mailbox);
  });

  test('a domain in a binary record, between zeros', () => {
    expect(found(among(Buffer.from('\0\0\x06a.test\0\0\0\0', 'latin1')))).toContain(domain);
  });

  test('what stands between and beside long runs of zeros', () => {
    const zeros = Buffer.alloc(3_000_001);
    const data = Buffer.concat([zeros, Buffer.from(sentence), zeros, Buffer.from(keyId.bytes), zeros]);
    expect(found(data)).toEqual(new Set(facts));
    expect(found(Buffer.concat([Buffer.from('alice'), zeros, Buffer.from('bob@')]))).toEqual(
      new Set([local, short]),
    );
  });

  test('says in which form, and behind what', () => {
    const [hit] = search(Buffer.from(gzipSync(sentence).toString('base64')));
    expect(hit?.form).toBe('base64, gzip, plain');
  });

  test('shows what stands around it', () => {
    const hidden = Buffer.from(`${'.'.repeat(33)}\0\xffto Alice\\\r\n${'.'.repeat(33)}`, 'latin1');
    expect(search(hidden).map(({ around }) => around)).toEqual([
      `${'.'.repeat(27)}\\x00\\xffto Alice\\x5c\\x0d\\x0a${'.'.repeat(29)}`,
    ]);
  });

  test('wherever it stands', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), (before, after) => {
        const data = Buffer.concat([noise(before), Buffer.from('<alice@a.test>'), noise(after)]);
        expect(found(data)).toContain(mailbox);
        const wrapped = data.toString('base64').match(/.{1,64}/g) ?? [];
        expect(found(Buffer.from(wrapped.join('\n')))).toContain(mailbox);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the searcher does not find', () => {
  test('anything in random bytes, their base64 and their hex', () => {
    const random = noise(1_000_000);
    const lines = random.toString('base64').match(/.{1,76}/g) ?? [];
    expect(search(random)).toEqual([]);
    expect(search(Buffer.from(lines.join('\r\n')))).toEqual([]);
    expect(search(Buffer.from(random.subarray(0, 300_000).toString('hex')))).toEqual([]);
  });

  test('what is published, in the published words, on either side of a cut', () => {
    const published = Buffer.from(
      '{"domains":["a.test","b.test"],"name":"gateway.a.test","smtp":{"host":"127.0.0.1"}}',
    );
    const knowing = createSearcher([domain], { published: [published] });
    expect(knowing.search(among(published))).toEqual([]);
    expect(knowing.search(Buffer.from(among(published).toString('base64')))).toEqual([]);
    const cut = published.indexOf('gateway.a.test');
    expect(knowing.search(published.subarray(cut))).toEqual([]);
    expect(knowing.search(published.subarray(0, cut + 14))).toEqual([]);
  });

  test('but does find what is published in other words', () => {
    const published = Buffer.from('{"domains":["a.test","b.test"],"name":"gateway.a.test"}');
    const knowing = createSearcher([domain], { published: [published] });
    expect(knowing.search(Buffer.from('received from gateway.a.test at noon'))).toHaveLength(1);
    expect(knowing.search(Buffer.from('["a.test","b.test"]'))).not.toEqual([]);
  });
});

test('a fact of few bytes is refused: chance would make it', () => {
  expect(() => byteFact('content', 'key id', Buffer.alloc(7))).toThrow(RangeError);
});

test('what is published does not count when it is unpacked, either', () => {
  const id = Buffer.from(noise(32));
  const published = Buffer.from(JSON.stringify({ name: 'mix1.test', id: id.toString('hex') }));
  const knowing = createSearcher([byteFact('first mix', 'node id', id)], { published: [published] });
  expect(knowing.search(among(published))).toEqual([]);
  expect(knowing.search(among(id))).not.toEqual([]);
});
