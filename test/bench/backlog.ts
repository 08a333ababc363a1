import { readFile, writeFile } from 'node:fs/promises';
import { spkiPin } from '@postern/mail';
import { freePorts } from '@postern/testkit';
import { createIdentity } from '../interop/debian.ts';
import type { Benchmark } from './benchmark.ts';
import { startEnds } from './hop/ends.ts';
import { loadOf } from './hop/hop.ts';
import { inTime } from './hop/in-time.ts';
import { startPostern } from './hop/postern.ts';
import { disk, machine } from './measure.ts';

const mostRestartMs = 5_000;
const mostMemory = 300_000_000;
/** Messages in memory at one time, on their way to the source. */
const portion = 2_000;

export const backlogBenchmark: Benchmark = {
  summary:
    'packets that wait in a mix whose next hop is gone: its memory, its restart, and that all of them leave',
  gates: [
    `takes SMTP again in under ${mostRestartMs / 1_000} s`,
    `never more than ${mostMemory / 1e6} MB resident`,
    'every packet leaves',
  ],
  needs: 'some 20 GB of a disk; a quarter of an hour',
  runs: 200_000,
  run,
};

async function run(count: number): Promise<{ lines: string[]; missed: string[] }> {
  const place = disk();
  await using opened = new AsyncDisposableStack();
  const tls = createIdentity('sink.test');
  const ends = opened.use(await startEnds());
  const [port = 0] = await freePorts(1);
  const mix = opened.use(await startPostern({ port, pin: spkiPin(tls.cert) }));

  let began = performance.now();
  for (let sent = 0; sent < count; sent += portion) {
    const more = Math.min(portion, count - sent);
    await ends.send(
      loadOf(
        mix,
        Array.from({ length: more }, (_, at) => mix.carriage(sent + at)),
      ),
    );
    if (sent % 20_000 === 0) process.stderr.write(`taken: ${sent + more} of ${count}\n`);
  }
  const takeSeconds = (performance.now() - began) / 1_000;
  const taking = await mostResident(mix.pid);

  const restartMs = await mix.restart();
  const restarted = await mostResident(mix.pid);
  const arrived = ends.arrived(count);
  began = performance.now();
  await ends.listen(tls, port);
  process.stderr.write('the next hop is back\n');
  const came = await inTime(ends, arrived);
  const left = 'missing' in came ? count - came.missing : count;
  const copies = (await ends.taken()) - left;
  const drainSeconds = (performance.now() - began) / 1_000;
  const draining = await mostResident(mix.pid);

  const most = Math.max(taking, restarted, draining);
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);
  return {
    lines: [
      machine(),
      `method: ${count} packets of 45 KB on the wire to a mix with its defaults whose next hop does not listen; a restart; then the next hop listens. Packets are told apart by digests of what arrives.`,
      `The spool lies in ${place}. Resident is the kernel’s high-water mark of the process (VmHWM), for each part on its own.`,
      '',
      `taken in ${takeSeconds.toFixed(0)} s (building them included), resident at most ${mb(taking)} MB`,
      `took SMTP again ${(restartMs / 1_000).toFixed(2)} s after its start, resident then ${mb(restarted)} MB`,
      `${left} different ones left within ${drainSeconds.toFixed(0)} s (${(left / drainSeconds).toFixed(0)}/s), ${copies} copies, resident at most ${mb(draining)} MB`,
    ],
    missed: [
      ...(restartMs >= mostRestartMs ? [`the restart took ${(restartMs / 1_000).toFixed(2)} s`] : []),
      ...(!(most < mostMemory) ? [`${mb(most)} MB resident`] : []),
      ...(left < count ? [`${count - left} of ${count} packets have not left`] : []),
    ],
  };
}

/** The most memory that the process has had resident since it started, or since it was asked last: the kernel's own mark, proc(5). */
async function mostResident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1_024;
}
