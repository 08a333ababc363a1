import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Html, html } from './html.ts';

test('texts are escaped, HTML is not, lists are joined', () => {
  const item = html`<li>${'<b>'}</li>`;
  expect(html`<ul title="${`"'`}">${[item, item]}${7}</ul>`.toString()).toBe(
    '<ul title="&#34;&#39;"><li>&#60;b&#62;</li><li>&#60;b&#62;</li>7</ul>',
  );
});

test('a text says what it said, and never more', () => {
  const read = (escaped: string): string =>
    escaped.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('<', '>', '&', '"', "'", '#', ';', '9', 'a', '\u202e') }),
      (text) => {
        const written = html`${text}`.toString();
        expect(written).not.toMatch(/[<>"']|&(?!#\d+;)/);
        expect(read(written)).toBe(text);
      },
    ),
  );
});

test('what only looks like HTML is a text', () => {
  const forged = { toString: () => '<script>', map: () => ['<script>'] } as unknown as Html;
  expect(html`${[forged]}`.toString()).not.toContain('<script>');
});
