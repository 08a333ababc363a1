import { expect, test } from 'vitest';
import { isIn, networkText } from './networks.ts';

test.each([
  ['127.0.0.1', ['127.0.0.1', '::ffff:127.0.0.1'], ['127.0.0.2', '::1']],
  ['10.1.2.3/8', ['10.255.0.1'], ['11.0.0.1']],
  ['fd00::/8', ['fdff::1'], ['fe80::1', '10.0.0.1']],
  ['::1', ['::1'], ['::2', '127.0.0.1']],
])('%s is a network', (text, within, outside) => {
  expect(networkText.safeParse(text).success).toBe(true);
  expect(within.filter(isIn([text]))).toEqual(within);
  expect(outside.filter(isIn(['192.0.2.1', text]))).toEqual([]);
});

test.each(['', 'localhost', '127.0.0.1:25', '10.0.0.0/33', '::1/129', '10.0.0/8', '1.2.3.4/', 'fe80::1%lo'])(
  '%s is none',
  (text) => {
    expect(networkText.safeParse(text).error?.issues[0]?.message).toContain('is no address');
  },
);

test('nobody is in no network, and what is no address is in none', () => {
  expect(['127.0.0.1', '::1'].filter(isIn([]))).toEqual([]);
  expect(isIn(['0.0.0.0/0'])('mail.b.test')).toBe(false);
});
