import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { encodeBase64 } from '@postern/protocol/codec';
import {
  type Agenda,
  type Consensus,
  type ConsensusReader,
  type Descriptor,
  decodeConsensus,
  type Registered,
  signConsensus,
  tabulate,
  verifyConsensus,
} from '@postern/protocol/consensus';
import { generateMixKey } from '@postern/protocol/packet';
import { systemRandom } from '@postern/protocol/primitives';
import { agenda, gateway, mix, networkNow, registered, testAuthority } from '@postern/protocol/testing';
import type { Benchmark } from './benchmark.ts';
import { machine, measureInTurn, type Timing } from './measure.ts';

const nodes = 10_000;
const gateways = 500;
const width = 100;
const authorities = 5;
const threshold = 3;
const mostBytes = 1_000_000;
const mostVerifyMs = 150;

export const directoryBenchmark: Benchmark = {
  summary: `a consensus of ${nodes} registered nodes, ${3 * width} active mixes and ${gateways} gateways: counted, signed, fetched, verified`,
  gates: [
    `what a client fetches in an epoch is less than ${mostBytes} bytes`,
    `and is verified in less than ${mostVerifyMs} ms`,
  ],
  needs: 'nothing; a minute',
  runs: 10,
  run,
};

async function run(runs: number): Promise<{ lines: string[]; missed: string[] }> {
  const { all, given } = network();
  const consensus = tabulate(all, given);
  assertShape(consensus);
  const signers = Array.from({ length: authorities }, (_, at) =>
    testAuthority(`authority${at}.example`, { now: networkNow }),
  );
  const signed = signConsensus(consensus, signers);
  const reader: ConsensusReader = {
    authorities: signers.map(({ key }) => key),
    signingKeys: signers.map(({ signingKey }) => signingKey),
    threshold,
    now: networkNow,
  };
  const timings = await measureInTurn(
    {
      tabulate: () => tabulate(all, given),
      'sign, one authority': () => signConsensus(consensus, signers.slice(0, 1)),
      'verify, with all signatures': () => holds(verifyConsensus(signed, reader).kind === 'consensus'),
      'of this, parse': () => holds(decodeConsensus(signed) !== undefined),
    },
    { runs, block: 2 },
  );
  const plain = Buffer.from(signed);
  const sizes = sizesOf(plain);
  const verifyMs = timings['verify, with all signatures'].median;
  return {
    lines: [
      machine(),
      `method: one thread; ${nodes - gateways} mixes and ${gateways} gateways with a domain each, ${authorities} authorities, all of which have signed;`,
      'every mix has a key of its own; a median is over runs of each piece of work in turn',
      '',
      ...Object.entries(timings).map(([name, timing]) => row(name, timing)),
      '',
      ...Object.entries(sizes).map(([name, bytes]) => `${name.padEnd(28)} ${bytes} bytes`),
    ],
    missed: [
      ...(plain.length < mostBytes ? [] : [`a consensus has ${plain.length} bytes`]),
      ...(verifyMs < mostVerifyMs ? [] : [`verifying takes ${verifyMs.toFixed(1)} ms`]),
    ],
  };
}

function network(): { all: readonly Registered[]; given: Agenda } {
  const ofMix = (at: number): Descriptor => {
    const name = `mix${at}.operator${at % 700}.example`;
    const key = encodeBase64(generateMixKey(systemRandom).publicKey);
    const mixKeys = [0, 1, 2].map((ahead) => ({ epoch: agenda.epoch + ahead, key }));
    const tlsPins = [Buffer.from(systemRandom.bytes(32)).toString('hex')];
    const smtp = { host: name, port: 25 };
    return mix(name, { mixKeys, tlsPins, smtp, capacity: 2 ** (at % 8), family: `operator${at % 700}` });
  };
  const ofGateway = (at: number): Descriptor => {
    const name = `gateway.domain${at}.example`;
    const tlsPins = [Buffer.from(systemRandom.bytes(32)).toString('hex')];
    return gateway(name, { tlsPins, smtp: { host: name, port: 2525 }, domains: [`domain${at}.example`] });
  };
  const all = [
    ...Array.from({ length: nodes - gateways }, (_, at) => ofMix(at)),
    ...Array.from({ length: gateways }, (_, at) => ofGateway(at)),
  ];
  return { all: registered(all), given: { ...agenda, width: { least: width, most: width, perMix: 1_000 } } };
}

function assertShape({ nodes: entries, rest }: Consensus): void {
  const active = entries.filter(({ layer }) => layer > 0).length;
  holds(active === 3 * width && entries.length === active + gateways);
  holds(rest.count === nodes - entries.length);
}

function holds(is: boolean): void {
  if (!is) throw new Error('the work that is measured does not do what it should');
}

function sizesOf(plain: Buffer): Record<string, number> {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  return {
    'as it is': plain.length,
    'gzip, level 9': gzipSync(plain, { level: 9 }).length,
    'brotli, quality 11': brotliCompressSync(plain, { params }).length,
    'zstd, level 19': zstdCompressSync(plain, { params: { [constants.ZSTD_c_compressionLevel]: 19 } }).length,
  };
}

function row(name: string, { n, median, p95 }: Timing): string {
  return `${name.padEnd(28)} median ${median.toFixed(1)} ms   p95 ${p95.toFixed(1)} ms   n ${n}`;
}
