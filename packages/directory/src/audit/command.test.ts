import { writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { type Equivocation, verifyEquivocation } from '@postern/protocol/consensus';
import { type TestAuthority, testAuthority } from '@postern/protocol/testing';
import { UserError } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { main } from '../cli.ts';
import { type Chain, createChain } from '../testing/chain.ts';
import { epochSeconds } from '../testing/clock.ts';
import { type Library, openLibrary } from '../testing/readers.ts';
import { deadUrl } from '../testing/servers.ts';
import type { Report } from './findings.ts';

let library: Library;
beforeEach(async () => {
  library = await openLibrary();
});
afterEach(() => library[Symbol.asyncDispose]());

const serving = async (answer: RequestListener): Promise<string> => (await library.serving(answer)).url;

const hour = epochSeconds * 1_000;

describe('postern-directory audit', () => {
  const epoch = Math.floor(Date.now() / hour);
  const today = [1, 2, 3].map((at) => testAuthority(`authority${at}.test`));
  const chainToday = (): Chain => {
    const chain = createChain(today.slice(0, 2));
    for (const at of [epoch - 2, epoch - 1]) chain.issue(at);
    return chain;
  };

  interface Ran {
    readonly code: number;
    readonly out: string;
    readonly hint?: string;
  }
  const run = (urls: readonly string[], ...more: string[]): Promise<Ran> => runBy(today, urls, ...more);
  async function runBy(
    by: readonly TestAuthority[],
    urls: readonly string[],
    ...more: string[]
  ): Promise<Ran> {
    const keys = by.flatMap(({ vkey }) => ['--authority', vkey]);
    const args = ['audit', ...urls.flatMap((url) => ['--url', url]), ...keys, ...more];
    let out = '';
    const spies = [
      vi.spyOn(process.stdout, 'write').mockImplementation((part) => {
        out += String(part);
        return true;
      }),
      vi.spyOn(process.stderr, 'write').mockImplementation(() => true),
    ];
    try {
      return { code: await main(args, new AbortController().signal), out };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { code: error.exitCode, out, ...(error.hint !== undefined && { hint: error.hint }) };
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  }

  test('says that all holds, and ends with 0', async () => {
    const chain = chainToday();
    const url = await serving(chain.serve());
    expect(await run([`${url}/`])).toEqual({
      code: 0,
      out: `${url}  log of authority1.test: 2 of 2 consensuses hold, root ${chain.log.head().root}\n`,
    });
    expect(await run([url], '--threshold', '3')).toMatchObject({
      code: 65,
      out: expect.stringMatching(/epoch \d+: bad-document: signed by 2 of/),
    });
  });

  test('goes by the authorities that there are since an epoch, and says that it can', async () => {
    const before = createChain(today.slice(0, 1));
    for (const at of [epoch - 4, epoch - 3]) before.issue(at);
    const chain = createChain(today.slice(0, 2), before);
    for (const at of [epoch - 2, epoch - 1]) chain.issue(at);
    const url = await serving(chain.serve());
    const { root } = chain.log.head();
    const others = '2 of other epochs verified for digests and order alone';
    expect(await run([url])).toMatchObject({ code: 65, hint: expect.stringContaining('--since') });
    expect(await run([url], '--since', `${epoch - 2}`)).toEqual({
      code: 0,
      out: `${url}  log of authority1.test: 2 of 4 consensuses hold, root ${root}; ${others}\n`,
    });
    const { out } = await run([url], '--since', `${epoch - 2}`, '--until', `${epoch - 2}`, '--json');
    expect(JSON.parse(out)).toMatchObject({ audited: [{ verified: 1, linked: 3 }], findings: [] });
  });

  test('prints the proof whole, in words and in JSON, and ends with 76', async () => {
    const chain = chainToday();
    const other = chain.branch();
    const documents = [chain.issue(epoch), other.issue(epoch, { meanDelayMs: 1 })];
    const urls = [await serving(chain.serve()), await serving(other.serve())];
    const words = await run(urls);
    expect(words.code).toBe(76);
    expect(words.out).toContain(`authority1.test, authority2.test signed two documents for epoch ${epoch}\n`);
    for (const note of [...documents, ...today.slice(0, 2).map(({ certificate }) => certificate)])
      expect(words.out).toContain(note);
    const json = await run(urls, '--json');
    expect(json.code).toBe(76);
    const { proofs } = JSON.parse(json.out) as { proofs: Equivocation[] };
    expect(proofs).toMatchObject([{ of: 'epoch', epochs: [epoch, epoch], urls, documents }]);
    const authorities = today.map(({ key }) => key);
    for (const proof of proofs)
      expect(verifyEquivocation(proof, { authorities, threshold: 2 }).kind).toBe('equivocation');
  });

  test('prints what one authority has signed twice, which its key alone verifies', async () => {
    const chain = chainToday();
    const [alone, ...more] = today;
    const from = createChain([alone as TestAuthority], chain);
    const documents = [1, 2].map((meanDelayMs) => from.branch().issue(epoch, { meanDelayMs }));
    const url = await serving((request, response) => {
      if (request.url !== `/v1/agreement/${epoch}`) return chain.serve()(request, response);
      response.end(JSON.stringify({ votes: [], reveals: [], documents }));
    });
    const { code, out } = await run([url]);
    expect(code).toBe(65);
    for (const note of [...documents, alone?.certificate]) expect(out).toContain(note);
    for (const { certificate } of more) expect(out).not.toContain(certificate);
    const report = JSON.parse((await run([url], '--json')).out) as Report;
    const { notes, certificates } = report.findings[0]?.evidence ?? {};
    const path = join(library.folder, 'evidence');
    await writeFile(path, JSON.stringify({ documents: notes, certificates }));
    expect(await runBy(today.slice(0, 1), [], '--proof', path)).toMatchObject({ code: 76 });
    expect(await run([], '--proof', path)).toMatchObject({ code: 65 });
  });

  test('verifies a proof that somebody has kept, and ends with 76; with 65 when it proves nothing', async () => {
    const chain = chainToday();
    const other = chain.branch();
    const documents = [chain.issue(epoch), other.issue(epoch, { meanDelayMs: 1 })];
    const certificates = today.slice(0, 2).map(({ certificate }) => certificate);
    const path = join(library.folder, 'proof');
    const proving = async (proof: unknown): Promise<Ran> => {
      await writeFile(path, typeof proof === 'string' ? proof : JSON.stringify(proof));
      return run([], '--proof', path);
    };
    expect(await proving({ since: 7, documents, certificates })).toMatchObject({
      code: 76,
      out: expect.stringMatching(
        new RegExp(
          `^authority1.test, authority2.test signed two documents for epoch ${epoch}: [0-9a-f]{64} and`,
        ),
      ),
    });
    for (const proof of [
      { documents: [documents[0], documents[0]], certificates },
      { documents, certificates: certificates.slice(1) },
      { documents: [...documents, ...documents], certificates },
      { documents, certificates: [7] },
      { documents: 'x', certificates },
      [],
      'x',
    ])
      expect(await proving(proof)).toMatchObject({ code: 65, out: '' });
    expect(await run([], '--proof', `${path}.not`)).toMatchObject({ code: 64, out: '' });
    expect(await run([])).toMatchObject({ code: 64, out: '' });
    expect(await run([], '--proof', path, '--since', '7')).toMatchObject({ code: 64, out: '' });
    expect(await run(['http://127.0.0.1:9'], '--proof', path)).toMatchObject({ code: 64, out: '' });
  });

  test('ends with 75 when something is not to be had, with 64 for what it does not understand', async () => {
    expect(await run([await deadUrl()])).toMatchObject({
      code: 75,
      out: expect.stringContaining('not-served'),
    });
    for (const more of [
      ['--threshold', '1'],
      ['--threshold', '4'],
      ['--threshold', 'x'],
      ['--authority', 'x'],
      ['--since', 'x'],
      ['--until', '-1'],
      ['--since', '2', '--until', '1'],
    ])
      expect(await run(['http://127.0.0.1:9'], ...more)).toMatchObject({ code: 64, out: '' });
    expect(await run(['ftp://127.0.0.1'])).toMatchObject({ code: 64, out: '' });
  });
});
