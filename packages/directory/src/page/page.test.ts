import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { hostileView as view } from '../testing/hostile.ts';
import { markOf, pageDigest } from '../testing/picture.ts';
import { renderPage } from './page.ts';
import { policy, style } from './style.ts';

test('what strangers say of themselves stands on the page as text', () => {
  const page = renderPage(view);
  const escaped = page.match(
    /(name|host|family|domain|contact|about|why|held|signer)&#34;&#39;&#62;&#60;script/g,
  );
  expect(new Set(escaped).size).toBe(9);
  expect(page).not.toMatch(/<script|<img|onerror=alert\(1\)>/);
  // nor does it turn the direction of what stands beside it
  const said = page.match(/(.{5})(name|family|domain|contact|host|why)&#34;/g);
  expect(said?.filter((one) => !one.startsWith('<bdi>'))).toEqual([]);
});

test('says in words what is late, what is wrong and who has not signed', () => {
  const words = renderPage(view).replaceAll(/<[^>]*>/g, '');
  expect(words).toContain('Epoch 1000');
  expect(words).toContain('None of this epoch. That of epoch 999 serves until 1970-02-11 18:00 UTC.');
  expect(words).toContain('Two histories, about');
  expect(words).toContain('Signed by 0 of 1 authority; 2 needed');
  expect(words).toMatch(/signer.*: has not signed/);
  expect(words).toContain('Not drawn for this epoch: 7 nodes.');
  const calm = renderPage({ ...view, alarms: [], heldUp: undefined, consensus: undefined });
  expect(calm.replaceAll(/<[^>]*>/g, '')).toMatch(/There is none yet.*Alarms\s+None\./s);
});

test('takes nothing from elsewhere and runs nothing', () => {
  const page = renderPage(view);
  const tags = page.match(/<[^>]*>/g)?.join('\n');
  expect(tags).not.toMatch(/\s(src|style|on[a-z]+)=|<(script|link|iframe|object|form|img)/);
  expect(style.toString()).not.toMatch(/url|@import|@font-face/);
  for (const [, href] of page.matchAll(/href="([^"]*)"/g)) expect(href).toMatch(/^(v1\/|openapi)/);
  expect(policy).toMatch(
    /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
});

test('the picture in the docs is of the page as it is', async () => {
  const picture = await readFile(new URL('../../../../docs/authority.png', import.meta.url));
  expect(markOf(picture), 'take another: docs/authority.md says how').toBe(pageDigest());
});
