import {
  buildPacket,
  createSurb,
  defaultGeometry as g,
  generateMixKey,
  type Hop,
  loadMixKey,
  type Peeled,
  peel,
  useSurb,
} from '@postern/protocol/packet';
import { systemRandom } from '@postern/protocol/primitives';
import { createMessage, decrypt, encrypt, generateKey, readMessage } from 'openpgp';
import type { Benchmark } from './benchmark.ts';
import { machine, measureInTurn, type Timing } from './measure.ts';

const mostPeelMs = 0.7;
const leastRatio = 3;
const block = 100;

export const packetBenchmark: Benchmark = {
  summary: 'time to peel and to build a 32 KiB packet, beside one OpenPGP layer of the same size',
  gates: [
    `median peel, relay and exit, at most ${mostPeelMs} ms`,
    `at least ${leastRatio} times faster than an OpenPGP layer`,
  ],
  needs: 'nothing; seconds',
  runs: 1_000,
  run,
};

async function run(runs: number): Promise<{ lines: string[]; missed: string[] }> {
  const work = { ...(await openpgpWork()), ...packetWork() };
  const timings = await measureInTurn(work, { runs, block });
  const slowestPeel = Math.max(
    timings['peel, relay'].median,
    timings['peel, exit'].median,
    timings['peel, reply'].median,
  );
  const ratio = timings['openpgp.js layer'].median / slowestPeel;
  return {
    lines: [
      machine(),
      `method: one thread, ${g.packetBytes} bytes, ${g.hops} hops, suite ${g.suite}; blocks of ${block} runs of each in turn;`,
      'a peel is from received bytes to forwardable bytes with a loaded key; an OpenPGP layer is readMessage and decrypt, X25519',
      '',
      ...Object.entries(timings).map(([name, timing]) => row(name, timing)),
      '',
      `slowest peel ${slowestPeel.toFixed(3)} ms; an OpenPGP layer takes ${ratio.toFixed(1)} times as long`,
    ],
    missed: [
      ...(slowestPeel > mostPeelMs
        ? [`median peel ${slowestPeel.toFixed(3)} ms is over ${mostPeelMs} ms`]
        : []),
      ...(ratio < leastRatio ? [`only ${ratio.toFixed(1)} times faster than an OpenPGP layer`] : []),
    ],
  };
}

function row(name: string, { n, median, mean, p95 }: Timing): string {
  return `${name.padEnd(18)} median ${median.toFixed(3)} ms   mean ${mean.toFixed(3)} ms   p95 ${p95.toFixed(3)} ms   n ${n}`;
}

function packetWork() {
  const epoch = 1;
  const pairs = Array.from({ length: g.hops }, () => generateMixKey());
  const path: Hop[] = pairs.map(({ publicKey }, i) => ({
    nodeId: new Uint8Array(32).fill(i + 1),
    mixKey: publicKey,
    delayMs: 0,
  }));
  const keys = pairs.map(({ seed }, i) => loadMixKey(seed, new Uint8Array(32).fill(i + 1), epoch, g));
  const payload = systemRandom.bytes(g.payloadBytes);
  const build = () => buildPacket(g, epoch, path, { domain: 'b.example' }, payload);
  const peelAt = (hop: number, packet: Uint8Array): Peeled => {
    const key = keys[hop];
    if (key === undefined) throw new RangeError(`no hop ${hop}`);
    const peeled = peel(g, key, packet);
    if (peeled.kind === 'refused') throw new Error(`refused: ${peeled.reason}`);
    return peeled;
  };
  const lastWire = (first: Uint8Array) =>
    keys.slice(0, -1).reduce((packet, _, hop) => {
      const peeled = peelAt(hop, packet);
      return peeled.kind === 'relay' ? peeled.packet : packet;
    }, first);

  const first = build();
  const last = lastWire(first);
  const { surb } = createSurb(g, epoch, path, { domain: 'a.example' });
  const lastReply = lastWire(useSurb(g, surb, payload).packet);
  return {
    'build, 3 hops': build,
    'peel, exit': () => peelAt(g.hops - 1, last),
    'peel, reply': () => peelAt(g.hops - 1, lastReply),
    'peel, relay': () => peelAt(0, first),
  };
}

async function openpgpWork() {
  const { privateKey, publicKey } = await generateKey({
    type: 'curve25519',
    userIDs: [{ email: 'secure@b.example' }],
    format: 'object',
  });
  const layer = async (contentBytes: number) =>
    encrypt({
      message: await createMessage({ binary: systemRandom.bytes(contentBytes) }),
      encryptionKeys: publicKey,
      format: 'binary',
    });
  const overhead = (await layer(g.payloadBytes)).length - g.payloadBytes;
  const binaryMessage = await layer(g.packetBytes - overhead);
  return {
    'openpgp.js layer': async () => {
      const message = await readMessage({ binaryMessage });
      await decrypt({ message, decryptionKeys: privateKey, format: 'binary' });
    },
  };
}
