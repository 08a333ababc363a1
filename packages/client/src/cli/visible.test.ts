import fc from 'fast-check';
import { expect, test } from 'vitest';
import { visible, visibleJson } from './visible.ts';

test('a terminal finds nothing to act on', () => {
  expect(visible('a\u001b[2K\rb\u007f\u009b1m\u202ec\nd')).toBe(
    'a\\u{1b}[2K\\u{d}b\\u{7f}\\u{9b}1m\\u{202e}c\\u{a}d',
  );
  expect(visible('a\tb\r\n\n\r', { lines: true })).toBe('a\tb\r\n\n\\u{d}');
  expect(visible('a\r\nb')).toBe('a\\u{d}\\u{a}b');
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(visible(text)).not.toMatch(/\p{Cc}/u);
    }),
  );
});

test('letters of any script stay as they are', () => {
  expect(visible('Żółć → 鮭 é ’ –')).toBe('Żółć → 鮭 é ’ –');
});

test('JSON stays the same value', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(visibleJson({ text })).not.toMatch(/\p{Cc}/u);
      expect(JSON.parse(visibleJson({ text }))).toEqual({ text });
    }),
  );
});
