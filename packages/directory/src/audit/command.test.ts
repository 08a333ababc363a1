import { writeFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { type Equivocation, verifyEquivocation } from '@postern/protocol/consensus';
import { testAuthority } from '@postern/protocol/testing';
import { UserError } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { main } from '../cli.ts';
import { type Chain, createChain } from '../testing/chain.ts';
import { epochSeconds } from '../testing/clock.ts';
import { type Library, openLibrary } from '../testing/readers.ts';
import { deadUrl } from '../testing/servers.ts';

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

  async function run(urls: readonly string[], ...more: string[]): Promise<{ code: number; out: string }> {
    const keys = today.flatMap(({ vkey }) => ['--authority', vkey]);
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
      return { code: error instanceof UserError ? error.exitCode : -1, out };
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

  test('verifies a proof that somebody has kept, and ends with 76; with 65 when it proves nothing', async () => {
    const chain = chainToday();
    const other = chain.branch();
    const documents = [chain.issue(epoch), other.issue(epoch, { meanDelayMs: 1 })];
    const certificates = today.slice(0, 2).map(({ certificate }) => certificate);
    const path = join(library.folder, 'proof');
    const proving = async (proof: unknown): Promise<{ code: number; out: string }> => {
      await writeFile(path, typeof proof === 'string' ? proof : JSON.stringify(proof));
      return run([], '--proof', path);
    };
    expect(await proving({ since: 7, documents, certificates })).toEqual({
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
      expect(await proving(proof)).toEqual({ code: 65, out: '' });
    expect(await run([], '--proof', `${path}.not`)).toEqual({ code: 64, out: '' });
    expect(await run([])).toEqual({ code: 64, out: '' });
    expect(await run(['http://127.0.0.1:9'], '--proof', path)).toEqual({ code: 64, out: '' });
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
      ['--authority', today[0]?.vkey ?? ''],
    ])
      expect(await run(['http://127.0.0.1:9'], ...more)).toEqual({ code: 64, out: '' });
    expect(await run(['ftp://127.0.0.1'])).toEqual({ code: 64, out: '' });
  });

  test('says why there is no proof to read, and what to do where not all is to be had', async () => {
    const key = ['--authority', today[0]?.vkey ?? ''];
    const failing = (...args: string[]): Promise<number> =>
      main(['audit', ...key, ...args], new AbortController().signal);
    const none = join(library.folder, 'none');
    for (const [path, why] of [
      [library.folder, 'it is a folder'],
      [none, 'there is no such file'],
    ] as const)
      await expect(failing('--proof', path)).rejects.toMatchObject({
        exitCode: 64,
        message: `${path} cannot be read: ${why}`,
      });
    const silent = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    await expect(
      failing('--url', await serving((_, to) => void to.writeHead(404).end())),
    ).rejects.toMatchObject({
      exitCode: 75,
      hint: expect.stringContaining('waiting does not mend it'),
    });
    silent.mockRestore();
  });
});
