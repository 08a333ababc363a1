import { describe, expect, test } from 'vitest';
import { isOnlyRecord } from './dkim-keys.ts';

describe('a DKIM record in DNS (RFC 6376 section 3.6.1)', () => {
  const own = 'v=DKIM1; k=rsa; p=AAAA/B==';

  test.each([
    own,
    'p=AAAA/B==',
    'k=rsa; p=AAAA/B==; v2=x',
    ' v = DKIM1 ;\tk=rsa;p= AA AA/B\t== ; ',
    `${own}; t=s; h=sha1 : sha256; s=tlsrpt:email; n=by hand`,
    `${own}; s=*`,
  ])('is the key’s: %j', (record) => {
    expect(isOnlyRecord(own, [record])).toBe(true);
  });

  test.each([
    ['of another key', 'v=DKIM1; k=rsa; p=AAAA/C=='],
    ['of another type', 'v=DKIM1; k=ed25519; p=AAAA/B=='],
    ['revoked', 'v=DKIM1; k=rsa; p='],
    ['of another version', 'v=DKIM9; k=rsa; p=AAAA/B=='],
    ['with a version that is torn', 'v=DK IM1; k=rsa; p=AAAA/B=='],
    ['with the version behind', 'k=rsa; p=AAAA/B==; v=DKIM1'],
    ['on trial', `${own}; t=y`],
    ['on trial, among other flags', `${own}; t=s : y`],
    ['for other hashes', `${own}; h=sha1`],
    ['for other services', `${own}; s=none`],
    ['with a name twice', `${own}; p=AAAA/B==`],
    ['with what is no tag', `${own}; none`],
    ['with a tag that has no name', `${own}; =x`],
    ['empty', ''],
  ])('does not count: %s', (_what, record) => {
    expect(isOnlyRecord(own, [record])).toBe(false);
  });

  test('counts alone', () => {
    expect(isOnlyRecord(own, [own, own])).toBe(false);
    expect(isOnlyRecord(own, [])).toBe(false);
    expect(isOnlyRecord(own)).toBe(false);
  });
});
