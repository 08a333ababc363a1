import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AuthorityStatus, initAuthority } from '@postern/directory';
import { decodeBase64, noteSigner } from '@postern/protocol/codec';
import type { CertifiedSigner } from '@postern/protocol/consensus';
import { readControl, systemClock, systemRandom } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { freePorts, type Supervised, startProcess, until } from '@postern/testkit';
import { type Meddle, startMeddler } from './meddler.ts';

/** One of several authorities, each a process. */
export interface Authority {
  readonly name: string;
  readonly url: string;
  readonly vkey: string;
  readonly folder: string;
  readonly signer: CertifiedSigner;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** What it sends is changed from now on; without `meddle` it is not any more. Only for one that may lie. */
  lie(meddle?: Meddle): void;
  /** Its clock is wrong from now on, by so many milliseconds. */
  shiftClock(ms: number): Promise<void>;
  /** What it tells its operator. */
  status(): Promise<AuthorityStatus>;
}

export interface Council extends AsyncDisposable {
  /** Where their folders are; whoever has seen enough removes it. */
  readonly folder: string;
  readonly authorities: readonly Authority[];
  readonly epochSeconds: number;
}

export interface CouncilOptions {
  readonly count: number;
  readonly epochSeconds: number;
  /** Places of those that may lie: they are ordinary ones, behind a proxy. */
  readonly liars: readonly number[];
}

const shiftedClock = fileURLToPath(new URL('../shifted-clock.ts', import.meta.url));

export async function startCouncil({ count, epochSeconds, liars }: CouncilOptions): Promise<Council> {
  await using opened = new AsyncDisposableStack();
  // five stores that wait for one disk keep no round
  const folder = await storesFolder('council');
  const own = process.env.NODE_OPTIONS ?? '';
  process.env.NODE_OPTIONS = `${own} --import=${shiftedClock}`;
  opened.defer(() => {
    process.env.NODE_OPTIONS = own;
  });
  const ports = await freePorts(count);
  const authorities: (Authority & Made)[] = [];
  for (const [at, port] of ports.entries()) {
    const made = await makeAuthority(`authority${at + 1}.test`, folder, port, epochSeconds);
    opened.defer(() => made.stop());
    authorities.push(made);
  }
  for (const [at, authority] of authorities.entries()) {
    for (const other of authorities) {
      if (other === authority) continue;
      const changed = (path: string, body: string): string | undefined =>
        authority.change(other.name, path, body);
      const { url } = liars.includes(at) ? opened.use(await startMeddler(other.url, changed)) : other;
      const lines = `\n[[peers]]\nurl = "${url}"\nkey = "${other.vkey}"\n`;
      await appendFile(join(authority.folder, 'directory.toml'), lines);
    }
  }
  await Promise.all(authorities.map((authority) => authority.start()));
  const running = opened.move();
  return { folder, authorities, epochSeconds, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

interface Made {
  readonly change: Meddle;
  stop(): Promise<void>;
}

async function makeAuthority(
  name: string,
  root: string,
  port: number,
  epochSeconds: number,
): Promise<Authority & Made> {
  const folder = join(root, name);
  const configPath = join(folder, 'directory.toml');
  const { vkey } = await initAuthority(
    {
      configPath,
      name,
      dataDir: 'data',
      listen: `127.0.0.1:${port}`,
      epoch: `${epochSeconds}s`,
      meanDelay: '200ms',
      bootstrapNodes: 3,
    },
    { clock: systemClock, random: systemRandom },
  );
  // their mixes listen nowhere
  const text = await readFile(configPath, 'utf8');
  await writeFile(configPath, text.replace('# probe = true', 'probe = false'));
  const url = `http://127.0.0.1:${port}`;
  let running: Supervised | undefined;
  let lying: Meddle | undefined;
  return {
    change: (to, path, body) => (lying === undefined ? body : lying(to, path, body)),
    lie(meddle) {
      lying = meddle;
    },
    name,
    url,
    vkey,
    folder,
    signer: await signerIn(join(folder, 'data', 'signing'), name),
    async start() {
      const args = ['run', '--config', configPath];
      running = await startProcess({
        name,
        program: 'postern-directory',
        args,
        log: join(folder, 'log'),
        restart: false,
      });
      const answers = (): Promise<boolean> =>
        fetch(`${url}/health`).then(
          () => true,
          () => false,
        );
      await until(answers, { what: `${name} answers` });
    },
    async kill() {
      running?.kill();
      await running?.ended;
    },
    async shiftClock(ms) {
      await writeFile(join(folder, 'clock'), String(ms));
      const seen = async (): Promise<boolean> =>
        (await readFile(join(folder, 'clock.seen'), 'utf8').catch(() => '0')) === String(ms);
      await until(seen, { what: `${name} looks at its clock` });
    },
    status: async () =>
      JSON.parse(await readControl(join(folder, 'data', 'control.sock'), '/status')) as AuthorityStatus,
    async stop() {
      await running?.stop();
    },
  };
}

/** The key that an authority signs with, for whoever lies in its name. */
async function signerIn(folder: string, name: string): Promise<CertifiedSigner> {
  const [file = ''] = (await readdir(folder)).filter((one) => one.endsWith('.key'));
  const key = decodeBase64((await readFile(join(folder, file), 'utf8')).trim());
  const certificate = await readFile(join(folder, file.replace(/key$/, 'certificate')), 'utf8');
  return { ...noteSigner('composite', name, key ?? new Uint8Array()), certificate };
}
