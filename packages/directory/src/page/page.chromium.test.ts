import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { mixKey } from '@postern/protocol/testing';
import { source as axe } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Reach } from '../outages/watch.ts';
import { post } from '../testing/authorities.ts';
import { createCouncilBench, epoch, hour } from '../testing/council-bench.ts';
import { hostileView } from '../testing/hostile.ts';
import { signedGateway, signedNode } from '../testing/nodes.ts';
import { marked, pageDigest, sizeOf } from '../testing/picture.ts';
import { renderPage } from './page.ts';

/*
 * The page of one of three authorities in Debian's chromium. With POSTERN_SCREENSHOT in the environment a picture of it is written to the file
 * of that name.
 */

const program = '/usr/bin/chromium';
/** What is higher than the window is in the picture as well. */
const pictureSize = { width: 1_060, height: 800 };
const args = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

describe.skipIf(!existsSync(program))('the page in a browser', () => {
  const bench = createCouncilBench();
  let browser: Browser;
  let url: string;

  beforeAll(async () => {
    const launched = chromium.launch({ executablePath: program, args });
    await prepare();
    url = `${bench.first().url}/`;
    browser = await launched;
  });
  afterAll(async () => {
    await browser?.close();
    await bench.close();
  });

  /** Three authorities, of which one has said nothing for the second epoch, and all miss a mix; a node has come since the first, and one has gone. */
  async function prepare(): Promise<void> {
    await bench.open(3);
    const { council } = bench;
    const tell = async (sign: (now: number) => string): Promise<void> => {
      const signed = sign(council.clock.now());
      for (const one of bench.running()) expect(await post(one, signed)).toMatchObject({ status: 202 });
    };
    const reach: Reach = ({ name }) => Promise.resolve(name !== 'mix.grove.example');
    await council.start(undefined, { probe: true }, { reach });
    for (const [at, name] of ['amber', 'birch', 'cedar', 'dune', 'ember', 'fjord', 'grove'].entries())
      await tell((now) =>
        signedNode(`mix.${name}.example`, now, {
          family: at % 3 === 0 ? '' : `operator-${(at % 3) + 1}`,
          contact: at % 2 === 0 ? `ops@${name}.example` : '',
          smtp: { host: at === 1 ? '2001:db8::25' : `mx.${name}.example`, port: 25 },
        }),
      );
    await tell((now) => signedNode('short.example', now, { mixKeys: [{ epoch, key: mixKey }] }));
    await tell((now) => signedGateway('gate.uni.example', now, ['mail.uni.example', 'uni.example']));
    await council.untilHolds(bench.haveAll(epoch), hour);
    await council.stop(2);
    await tell((now) => signedNode('mix.heath.example', now, { family: 'operator-4' }));
    await council.until((epoch + 1) * hour + 600_000);
    expect(bench.haveAll(epoch + 1)()).toBe(true);
  }

  /** A page of its own, and what the browser has complained of and asked for. */
  async function open(
    options: BrowserContextOptions = {},
  ): Promise<{ page: Page; complaints: string[]; asked: string[] } & AsyncDisposable> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    const asked: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => asked.push(request.url()));
    page.on('dialog', (dialog) => {
      complaints.push(dialog.message());
      void dialog.dismiss();
    });
    return { page, complaints, asked, [Symbol.asyncDispose]: () => context.close() };
  }

  const wordsOf = (page: Page): Promise<string> => page.locator('body').innerText();

  test('says the same without scripts, asks for nothing else, and has its style', async () => {
    await using scripted = await open();
    await using plain = await open({ javaScriptEnabled: false });
    for (const { page } of [scripted, plain]) await page.goto(url);
    const words = await wordsOf(plain.page);
    expect(await wordsOf(scripted.page)).toBe(words);
    for (const told of [
      `Epoch ${epoch + 1}`,
      'No vote, authority3.test: no vote of it came in time',
      'Signed by 2 of 3 authorities; 2 needed',
      'authority3.test: has not signed',
      'mix.heath.example',
      '[2001:db8::25]:25',
      'mail.uni.example, uni.example',
      'mix.grove.example: left out, not reached by authority1.test, authority2.test',
    ])
      expect(words).toContain(told);
    expect(await plain.page.locator('dt:text-is("Out") + dd').innerText()).toBe('short.example');
    expect(await scripted.page.evaluate('getComputedStyle(document.body).maxWidth')).toBe('1024px');
    for (const { asked, complaints } of [scripted, plain])
      expect({ asked, complaints }).toEqual({ asked: [url], complaints: [] });
  });

  test('can be read by everybody, in light and in dark, wide and narrow', async () => {
    const light = { colorScheme: 'light', viewport: { width: 1_200, height: 800 } } as const;
    const dark = { colorScheme: 'dark', viewport: { width: 340, height: 640 } } as const;
    for (const options of [light, dark]) {
      await using opened = await open(options);
      const { page } = opened;
      await page.goto(url);
      await page.locator('summary').click();
      await page.evaluate(axe);
      // what does not depend on colours and width is looked at once
      const only = options === dark ? `{ runOnly: ['color-contrast', 'scrollable-region-focusable'] }` : '';
      const found = (await page.evaluate(`axe.run(${only})`)) as Found;
      expect(found.violations).toEqual([]);
      expect(found.passes.map(({ id }) => id)).toContain('color-contrast');
      const wider = 'document.documentElement.scrollWidth > innerWidth';
      expect(await page.evaluate(wider)).toBe(false);
    }
  });

  test('on paper it leaves out what is there to be followed', async () => {
    await using opened = await open();
    const { page } = opened;
    await page.goto(url);
    await page.emulateMedia({ media: 'print' });
    expect(await page.locator('nav').isVisible()).toBe(false);
    expect(await page.locator('table').first().isVisible()).toBe(true);
  });

  test('what strangers say runs nothing, even where no policy forbids it', async () => {
    await using opened = await open();
    const { page, complaints, asked } = opened;
    await page.setContent(renderPage(hostileView));
    expect(complaints).toEqual([]);
    expect(asked).toEqual([]);
    expect(await page.locator('main script, main img, [onerror]').count()).toBe(0);
    expect(await wordsOf(page)).toContain('<script>alert(1)</script>');
  });

  test('a script that got in would not run', async () => {
    await using opened = await open();
    const { page, complaints } = opened;
    await page.route(url, async (route) => {
      const answer = await route.fetch();
      const body = (await answer.text()).replace('</main>', '<script>alert(1)</script></main>');
      await route.fulfill({ response: answer, body });
    });
    await page.goto(url);
    expect(complaints).toEqual([expect.stringContaining('Content Security Policy')]);
  });

  test('a picture of it shows all of it', async () => {
    await using opened = await open({ viewport: pictureSize });
    const { page } = opened;
    await page.goto(url);
    const picture = await page.screenshot({ fullPage: true });
    const { width, height } = sizeOf(picture);
    const parts = await page.locator('header, section, footer').all();
    const boxes = await Promise.all(parts.map((part) => part.boundingBox()));
    const ends = boxes.map((box) => (box === null ? Number.POSITIVE_INFINITY : box.y + box.height));
    expect(boxes.length).toBeGreaterThan(7);
    expect(width).toBe(pictureSize.width);
    expect(height).toBeGreaterThanOrEqual(Math.max(...ends));
    // nor is there a column that has to be scrolled to
    const hidden = "(one => one.scrollWidth - one.clientWidth)(document.querySelector('.scroll'))";
    expect(await page.evaluate(hidden)).toBe(0);
    const path = process.env.POSTERN_SCREENSHOT;
    if (path !== undefined) await writeFile(path, marked(picture, pageDigest()));
  });
});

/** What axe tells of rules. */
type Found = Record<'violations' | 'passes', readonly { readonly id: string }[]>;
