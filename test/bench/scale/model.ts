import { defaultGeometry } from '@postern/protocol/packet';

/** What is assumed of the people. Each is a figure to put another in place of. */
export interface Assumptions {
  readonly users: number;
  /** Messages that one sends in a day. */
  readonly messages: number;
  /** Packets that a message takes. */
  readonly packets: number;
  /** Packets of cover for each that carries something. */
  readonly cover: number;
  /** Mixes on a way. */
  readonly hops: number;
  /** The busiest hour against the mean of the day. */
  readonly peak: number;
  /** Of its processors, what a machine is to be loaded with in that hour. */
  readonly load: number;
  readonly cores: number;
}

/** What was measured: processor time of a machine for one packet, ms. */
export interface Costs {
  /** One hop of a mix on SQLite: receive, store, peel, forward. */
  readonly hop: number;
}

export interface Need {
  /** Packets a second that enter the network in the busiest hour. */
  readonly packetsPerSecond: number;
  /** Packets a second that all mixes take together then. */
  readonly hopsPerSecond: number;
  readonly machines: number;
  /** Of one machine, in and out together, Mbit/s. */
  readonly mbitPerMachine: number;
  /** Of a user, up and down together, MB a day. */
  readonly mbPerUser: number;
}

/** Octets of a packet on the wire: base64 with line ends, headers and SMTP around it. */
export const wireOctets = Math.ceil((defaultGeometry.packetBytes * 4) / 3) * (78 / 76) + 1_000;

export function need(a: Assumptions, { hop }: Costs): Need {
  const aDay = a.users * a.messages * a.packets * (1 + a.cover);
  const packetsPerSecond = (aDay / 86_400) * a.peak;
  const hopsPerSecond = packetsPerSecond * a.hops;
  const machines = Math.ceil((hopsPerSecond * hop) / (1_000 * a.cores * a.load));
  return {
    packetsPerSecond,
    hopsPerSecond,
    machines,
    mbitPerMachine: ((hopsPerSecond / machines) * wireOctets * 2 * 8) / 1e6,
    mbPerUser: (a.messages * a.packets * (1 + a.cover) * wireOctets * 2) / 1e6,
  };
}
