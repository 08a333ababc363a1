import { describe, expect, test } from 'vitest';
import { decodeCheckpoint, encodeCheckpoint, logOrigin } from './checkpoint.ts';

// The text of the checkpoint that C2SP tlog-checkpoint shows.
const text = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';
const shown = {
  origin: 'example.com/behind-the-sofa',
  size: 20_852_163,
  root: Buffer.from('CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=', 'base64').toString('hex'),
};

test('a checkpoint is the text that C2SP shows', () => {
  expect(decodeCheckpoint(text)).toEqual(shown);
  expect(encodeCheckpoint(shown.origin, shown)).toBe(text);
  expect(logOrigin('authority1.test')).toBe('authority1.test/v1/log');
});

describe('a checkpoint is refused', () => {
  const [origin = '', size = '', root = ''] = text.split('\n');
  test.each([
    ['empty', ''],
    ['without an origin', `\n${size}\n${root}\n`],
    ['with a zero before the size', `${origin}\n0${size}\n${root}\n`],
    ['with a negative size', `${origin}\n-1\n${root}\n`],
    ['with a size beyond that of any log', `${origin}\n4294967297\n${root}\n`],
    ['with a short root', `${origin}\n${size}\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jx\n`],
    ['with a root that has loose bits', `${origin}\n${size}\n${root.replace('q2I=', 'q2J=')}\n`],
    ['with an extension', `${text}more\n`],
    ['without the newline', text.slice(0, -1)],
  ])('%s', (_, given) => {
    expect(decodeCheckpoint(given)).toBeUndefined();
  });
});
