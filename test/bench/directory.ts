import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { encodeBase64 } from '@postern/protocol/codec';
import {
  type Agenda,
  type Consensus,
  type ConsensusReader,
  type Descriptor,
  decodeConsensus,
  makeDiff,
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
/** Of the nodes one in so many has gone when the next epoch begins, and as many are new. */
const goneOneIn = 100;
const width = 100;
const authorities = 5;
const threshold = 3;
const mostBytes = 1_000_000;
const mostVerifyMs = 150;

export const directoryBenchmark: Benchmark = {
  summary: `a consensus of ${nodes} registered nodes, ${3 * width} active mixes and ${gateways} gateways: counted, signed, fetched, verified; the diff to the next one`,
  gates: [
    `what a client fetches in an epoch is less than ${mostBytes} bytes`,
    `and is verified in less than ${mostVerifyMs} ms`,
  ],
  needs: 'nothing; a minute',
  runs: 10,
  run,
};

async function run(runs: number): Promise<{ lines: string[]; missed: string[] }> {
  const all = network(agenda.epoch);
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
  const following = tabulate(network(given.epoch + 1, nodes / goneOneIn), {
    ...given,
    epoch: given.epoch + 1,
    shared: systemRandom.bytes(32),
  });
  assertShape(following);
  const diff = makeDiff(signed, signConsensus(following, signers));
  if (diff === undefined) throw new Error('there is no diff that is shorter than the consensus itself');
  const plain = Buffer.from(signed);
  const verifyMs = timings['verify, with all signatures'].median;
  return {
    lines: [
      machine(),
      `method: one thread; ${nodes - gateways} mixes and ${gateways} gateways with a domain each, ${authorities} authorities, all of which have signed;`,
      'every mix has a key of its own; a median is over runs of each piece of work in turn. For the next epoch one node in',
      `${goneOneIn} has gone and as many are new, mixes are drawn anew, and each has another key`,
      '',
      ...Object.entries(timings).map(([name, timing]) => row(name, timing)),
      '',
      ...sizesOf('consensus', plain),
      ...sizesOf('diff to the next', Buffer.from(diff)),
    ],
    missed: [
      ...(plain.length < mostBytes ? [] : [`a consensus has ${plain.length} bytes`]),
      ...(verifyMs < mostVerifyMs ? [] : [`verifying takes ${verifyMs.toFixed(1)} ms`]),
    ],
  };
}

const given: Agenda = { ...agenda, width: { least: width, most: width, perMix: 1_000 } };

/** The nodes that have registered for an epoch; of each kind the first ones have gone, and as many are new. */
function network(epoch: number, gone = 0): readonly Registered[] {
  const goneGateways = Math.round((gone * gateways) / nodes);
  const goneMixes = gone - goneGateways;
  return registered([
    ...Array.from({ length: nodes - gateways }, (_, at) => ofMix(goneMixes + at, epoch)),
    ...Array.from({ length: gateways }, (_, at) => ofGateway(goneGateways + at)),
  ]);
}

function ofMix(at: number, epoch: number): Descriptor {
  const name = `mix${at}.operator${at % 700}.example`;
  const key = encodeBase64(generateMixKey(systemRandom).publicKey);
  const mixKeys = [0, 1, 2].map((ahead) => ({ epoch: epoch + ahead, key }));
  const smtp = { host: name, port: 25 };
  const capacity = 2 ** (at % 8);
  return mix(name, { mixKeys, tlsPins: pinsOf(name), smtp, capacity, family: `operator${at % 700}` });
}

function ofGateway(at: number): Descriptor {
  const name = `gateway.domain${at}.example`;
  const smtp = { host: name, port: 2525 };
  return gateway(name, { tlsPins: pinsOf(name), smtp, domains: [`domain${at}.example`] });
}

/** Those of a node stay the same. */
function pinsOf(name: string): string[] {
  const pins = pinsBy.get(name) ?? [Buffer.from(systemRandom.bytes(32)).toString('hex')];
  pinsBy.set(name, pins);
  return pins;
}

const pinsBy = new Map<string, string[]>();

function assertShape({ nodes: entries, rest }: Consensus): void {
  const active = entries.filter(({ layer }) => layer > 0).length;
  holds(active === 3 * width && entries.length === active + gateways);
  holds(rest.count === nodes - entries.length);
}

function holds(is: boolean): void {
  if (!is) throw new Error('the work that is measured does not do what it should');
}

function sizesOf(what: string, plain: Buffer): string[] {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  const level = { [constants.ZSTD_c_compressionLevel]: 19 };
  const sizes = {
    'as it is': plain,
    'gzip, level 9': gzipSync(plain, { level: 9 }),
    'brotli, quality 11': brotliCompressSync(plain, { params }),
    'zstd, level 19': zstdCompressSync(plain, { params: level }),
  };
  return Object.entries(sizes).map(([how, { length }]) => `${`${what}, ${how}`.padEnd(36)} ${length} bytes`);
}

function row(name: string, { n, median, p95 }: Timing): string {
  return `${name.padEnd(28)} median ${median.toFixed(1)} ms   p95 ${p95.toFixed(1)} ms   n ${n}`;
}
