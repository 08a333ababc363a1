import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seeded } from '@postern/protocol/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Outbox, type OutboxPacket, openOutbox } from '../src/outbox/index.ts';
import { decodeReturn } from '../src/returns/record.ts';
import { folder } from './folder.ts';

interface Place {
  readonly outbox: Outbox;
  readonly paths: { outbox: string; sent: string; returns: string };
}

async function place(): Promise<Place> {
  const home = await folder();
  const paths = {
    outbox: join(home, 'outbox'),
    sent: join(home, 'sent'),
    returns: join(home, 'returns'),
  };
  return { outbox: openOutbox(paths, seeded('outbox')), paths };
}

const packet = (fill: number): OutboxPacket => ({
  bytes: new Uint8Array(100).fill(fill),
  next: { kind: 'node', id: 'ab'.repeat(32) },
  expires: 1_000_000 + fill,
});

async function committed({ outbox }: Place, packets: number): Promise<string> {
  await using staged = await outbox.stage();
  await staged.keep(Buffer.from('copy'));
  for (let fill = 0; fill < packets; fill++) await staged.add(packet(fill));
  await staged.commit();
  return staged.id;
}

/** Ids of the sets that somebody makes, or made, sorted. */
const unfinished = async ({ paths }: Place): Promise<string[]> =>
  (await readdir(paths.outbox))
    .filter((name) => name.startsWith('.staged-'))
    .map((name) => name.slice('.staged-'.length))
    .sort();

/** Another process in the middle of making a set. */
async function makingIn({ paths }: Place): Promise<{ id: string; child: ChildProcess }> {
  const program = fileURLToPath(new URL('./stage-child.ts', import.meta.url));
  const child = spawn(process.execPath, [
    '--conditions=@postern/source',
    program,
    paths.outbox,
    paths.sent,
    paths.returns,
  ]);
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  return { id: String(line).trim(), child };
}

const loaded = async (outbox: Outbox): Promise<(OutboxPacket | undefined)[]> =>
  Promise.all((await outbox.queued()).map((queued) => queued.load()));

describe('a set', () => {
  test('is there whole once committed, and comes back as it was put in', async () => {
    const here = await place();
    const id = await committed(here, 3);
    expect(await here.outbox.list()).toEqual([{ id, packets: 3, expires: 1_000_000 }]);
    const packets = await loaded(here.outbox);
    expect(packets.sort((a, b) => (a?.expires ?? 0) - (b?.expires ?? 0))).toEqual([
      packet(0),
      packet(1),
      packet(2),
    ]);
    expect(await readFile(join(here.paths.sent, `${id}.eml`), 'utf8')).toBe('copy');
  });

  test('is for its owner only', async () => {
    const here = await place();
    const id = await committed(here, 1);
    const mode = async (...path: string[]): Promise<number> => (await stat(join(...path))).mode & 0o777;
    const [name = ''] = await readdir(join(here.paths.outbox, id));
    expect(await mode(here.paths.outbox)).toBe(0o700);
    expect(await mode(here.paths.outbox, id)).toBe(0o700);
    expect(await mode(here.paths.outbox, id, name)).toBe(0o600);
    expect(await mode(here.paths.sent, `${id}.eml`)).toBe(0o600);
  });

  test('a file holds the packet, its first node and its expiry, nothing else', async () => {
    const here = await place();
    const id = await committed(here, 1);
    const [name = ''] = await readdir(join(here.paths.outbox, id));
    const content = await readFile(join(here.paths.outbox, id, name));
    const line = `{"version":2,"node":"${'ab'.repeat(32)}","expires":1000000,"bytes":100}\n`;
    expect(content).toEqual(Buffer.concat([Buffer.from(line), Buffer.alloc(100)]));
    expect(name).toMatch(/^[0-9a-f]{32}\.packet$/);
  });

  test('not committed, it leaves nothing', async () => {
    const here = await place();
    {
      await using staged = await here.outbox.stage();
      await staged.keep(Buffer.from('copy'));
      await staged.add(packet(1));
    }
    expect(await here.outbox.queued()).toEqual([]);
    expect(await readdir(here.paths.outbox)).toEqual([]);
    expect(await readdir(here.paths.sent)).toEqual([]);
  });

  test('goes with its last packet', async () => {
    const here = await place();
    await committed(here, 2);
    for (const queued of await here.outbox.queued()) await queued.remove();
    expect(await readdir(here.paths.outbox)).toEqual([]);
    expect(await here.outbox.list()).toEqual([]);
  });

  test('a packet that another process has taken out is gone, which is no fault', async () => {
    const here = await place();
    await committed(here, 1);
    const [mine] = await here.outbox.queued();
    const [theirs] = await here.outbox.queued();
    await theirs?.remove();
    expect(await mine?.load()).toBeUndefined();
    await mine?.remove();
  });

  test('discarded, it is removed unsent', async () => {
    const here = await place();
    const id = await committed(here, 2);
    const other = await committed(here, 1);
    expect(await here.outbox.discard(id)).toBe(2);
    expect((await here.outbox.list()).map((set) => set.id)).toEqual([other]);
    for (const none of [id, '..', '../sent', '']) {
      await expect(here.outbox.discard(none)).rejects.toMatchObject({ code: 'wrong-use' });
    }
  });

  test('a packet file that was cut is refused', async () => {
    const here = await place();
    const id = await committed(here, 1);
    const [name = ''] = await readdir(join(here.paths.outbox, id));
    const path = join(here.paths.outbox, id, name);
    const { size } = await stat(path);
    for (const length of [size - 1, 40, 0]) {
      await truncate(path, length);
      await expect((await here.outbox.queued())[0]?.load()).rejects.toMatchObject({ code: 'bad-file' });
    }
  });

  test('a damaged one is listed with its flaw, and hides none of the others', async () => {
    const here = await place();
    const whole = await committed(here, 2);
    const damaged = await committed(here, 1);
    const [name = ''] = await readdir(join(here.paths.outbox, damaged));
    await truncate(join(here.paths.outbox, damaged, name), 10);
    const sets = await here.outbox.list();
    expect(sets).toHaveLength(2);
    expect(sets).toContainEqual({ id: whole, packets: 2, expires: 1_000_000 });
    expect(sets).toContainEqual({
      id: damaged,
      packets: 1,
      expires: Number.POSITIVE_INFINITY,
      flaw: expect.stringContaining(damaged),
    });
    const [hurt] = await here.outbox.queued(damaged);
    await expect(hurt?.load()).rejects.toMatchObject({ hint: expect.stringContaining(damaged) });
  });
});

describe('after a crash', () => {
  test('a set that was never completed is removed; one that is being made is not', async () => {
    const here = await place();
    const id = await committed(here, 1);
    const other = await makingIn(here);
    await using staged = await here.outbox.stage();
    await staged.add(packet(1));
    expect(await here.outbox.recover()).toBe(0);
    expect(await unfinished(here)).toEqual([other.id, staged.id].sort());
    other.child.kill('SIGKILL');
    await once(other.child, 'close');
    expect(await here.outbox.recover()).toBe(1);
    expect(await unfinished(here)).toEqual([staged.id]);
    expect((await here.outbox.list()).map((set) => set.id)).toEqual([id]);
    await staged.commit();
    expect(await here.outbox.queued()).toHaveLength(2);
  });

  test('nothing of a claim outlasts the set that it was for', async () => {
    const here = await place();
    await committed(here, 1);
    expect((await readdir(here.paths.outbox)).filter((name) => name.startsWith('.'))).toEqual([]);
    // Cut between the end of a set and that of its claim, or the claim's file lost with the power.
    await writeFile(join(here.paths.outbox, `.claim-${'00'.repeat(16)}`), '');
    await mkdir(join(here.paths.outbox, `.staged-${'11'.repeat(16)}`));
    expect(await here.outbox.recover()).toBe(1);
    expect((await readdir(here.paths.outbox)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('those who clean up and those who make sets do not get into each other’s way', async () => {
    const here = await place();
    const others = Array.from({ length: 4 }, () => openOutbox(here.paths, seeded('cleans')));
    const cleaning = others.map(async ({ recover }) => {
      for (let round = 0; round < 25; round++) await recover();
    });
    for (let set = 0; set < 25; set++) await committed(here, 1);
    await Promise.all(cleaning);
    expect(await here.outbox.queued()).toHaveLength(25);
  });

  test('a copy that still lies in its set is moved', async () => {
    const here = await place();
    const id = await committed(here, 1);
    await writeFile(join(here.paths.outbox, id, 'sent.eml'), 'copy again');
    await rm(join(here.paths.sent, `${id}.eml`));
    expect(await here.outbox.recover()).toBe(0);
    expect(await readFile(join(here.paths.sent, `${id}.eml`), 'utf8')).toBe('copy again');
    expect(await here.outbox.queued()).toHaveLength(1);
  });

  test('so is what opens a report', async () => {
    const here = await place();
    await using staged = await here.outbox.stage();
    const token = 'cd'.repeat(16);
    const record = {
      token,
      set: staged.id,
      messageId: '<x@a.test>',
      expires: 17,
      secret: { kind: 'none' },
    } as const;
    await staged.remember(record);
    await staged.add(packet(1));
    await staged.commit();
    const kept = join(here.paths.returns, `${token}.json`);
    const text = await readFile(kept, 'utf8');
    expect(decodeReturn(text, token)).toEqual(record);
    // As a crash between the two leaves it.
    await rename(kept, join(here.paths.outbox, staged.id, `${token}.return`));
    expect(await here.outbox.recover()).toBe(0);
    expect(await readFile(kept, 'utf8')).toBe(text);
  });
});

describe('when the copy cannot be moved', () => {
  test('the set counts all the same, and what failed is told', async () => {
    const here = await place();
    await using staged = await here.outbox.stage();
    await staged.keep(Buffer.from('copy'));
    await staged.add(packet(1));
    await rm(here.paths.sent, { recursive: true });
    await writeFile(here.paths.sent, 'in the way');
    expect(await staged.commit()).toEqual([expect.stringContaining(here.paths.sent)]);
    expect(await here.outbox.queued()).toHaveLength(1);
    expect(await here.outbox.recover()).toBe(0);
    await rm(here.paths.sent);
    expect(await here.outbox.recover()).toBe(0);
    expect(await readFile(join(here.paths.sent, `${staged.id}.eml`), 'utf8')).toBe('copy');
  });

  test('to another file system it is copied', async ({ skip }) => {
    const here = await place();
    const elsewhere = await mkdtemp('/dev/shm/postern-').catch(() => skip('no other file system'));
    onTestFinished(() => rm(elsewhere, { recursive: true }));
    if ((await stat(elsewhere)).dev === (await stat(join(here.paths.sent, '..'))).dev)
      skip('no other file system');
    await symlink(elsewhere, here.paths.sent);
    const id = await committed(here, 1);
    expect(await readdir(elsewhere)).toEqual([`${id}.eml`]);
    expect(await readFile(join(elsewhere, `${id}.eml`), 'utf8')).toBe('copy');
    expect((await stat(join(elsewhere, `${id}.eml`))).mode & 0o777).toBe(0o600);
    expect(await readdir(join(here.paths.outbox, id))).toHaveLength(1);
  });
});
