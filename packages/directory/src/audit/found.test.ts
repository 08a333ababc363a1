import { expect, test } from 'vitest';
import type { Finding } from './findings.ts';
import { createFound } from './found.ts';

const url = 'http://a.test';
const evidence = { urls: [url, url], notes: ['one', 'two'], certificates: [] } as const;
const signedTwice = (epoch: number): Finding => ({
  url,
  reason: 'signed-twice',
  epoch,
  detail: 'it has',
  authority: 'x.test',
  evidence,
});

test('after 256 findings about a URL it is given up, and no more is told', () => {
  const found = createFound();
  const add = (epoch: number): void =>
    found.add({ url, reason: 'bad-document', epoch, detail: 'it is none' });
  for (let epoch = 0; epoch < 255; epoch++) for (let again = 0; again < 3; again++) add(epoch);
  expect(found.isGivenUp(url)).toBe(false);
  for (let epoch = 255; epoch < 400; epoch++) add(epoch);
  expect(found.isGivenUp(url)).toBe(true);
  expect(found.all).toHaveLength(257);
  expect(found.all.at(-1)).toMatchObject({ url, reason: 'too-many' });
  expect(found.isGivenUp('http://b.test')).toBe(false);
});

test('what fails counts like a finding, and who does not answer is given up sooner', () => {
  const found = createFound();
  for (let times = 0; times < 256; times++) found.failed(url);
  expect(found.all).toMatchObject([{ url, reason: 'too-many' }]);
  const silent = 'http://b.test';
  for (let times = 0; times < 15; times++) found.unanswered(silent);
  expect(found.isGivenUp(silent)).toBe(false);
  for (let times = 0; times < 15; times++) found.unanswered(silent);
  expect(found.isGivenUp(silent)).toBe(true);
  expect(found.all).toMatchObject([{ url }, { url: silent, reason: 'not-served' }]);
});

test('what an authority has signed is not held against the URL that has kept it, and is told 256 times', () => {
  const found = createFound();
  for (let epoch = 0; epoch < 400; epoch++) found.add(signedTwice(epoch));
  expect(found.isGivenUp(url)).toBe(false);
  expect(found.all).toHaveLength(256);
  expect(found.all.filter((one) => one.evidence !== undefined).map(({ epoch }) => epoch)).toEqual([
    0, 1, 2, 3,
  ]);
  expect(found.all.at(-1)).toMatchObject({ reason: 'too-many', authority: 'x.test' });
});
