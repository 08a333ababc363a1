import { carriageLength } from '@postern/mail';
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

/** What was measured: processor time for one packet, ms. */
export interface Costs {
  /** One hop: receive, store, peel, forward, with what a store outside of the node takes. */
  readonly hop: number;
}

/** What they need. */
export interface Need {
  /** Packets a second that enter the network in the busiest hour. */
  readonly packetsPerSecond: number;
  /** Packets a second that all mixes take together then. */
  readonly hopsPerSecond: number;
  /** Not whole: a network has as many more as it wants to be safe. */
  readonly machines: number;
  /** Of one machine, in and out together, Mbit/s. */
  readonly mbitPerMachine: number;
  /** Of a user, up and down together, MB a day. */
  readonly mbPerUser: number;
}

/** Octets of a packet on the wire: its carriage, and the commands and replies around it about. */
const wireOctets = carriageLength(defaultGeometry.packetBytes) + 500;

function need(a: Assumptions, { hop }: Costs): Need {
  const aDay = a.users * a.messages * a.packets * (1 + a.cover);
  const packetsPerSecond = (aDay / 86_400) * a.peak;
  const hopsPerSecond = packetsPerSecond * a.hops;
  const machines = (hopsPerSecond * hop) / (1_000 * a.cores * a.load);
  return {
    packetsPerSecond,
    hopsPerSecond,
    machines,
    mbitPerMachine: ((hopsPerSecond / machines) * wireOctets * 2 * 8) / 1e6,
    mbPerUser: (a.messages * a.packets * (1 + a.cover) * wireOctets * 2) / 1e6,
  };
}

const assumed: Assumptions = {
  users: 1_000_000,
  messages: 10,
  packets: 2,
  cover: 1,
  hops: 3,
  peak: 2.5,
  load: 0.5,
  cores: 2,
};

/** The need of a million people, as lines of a report, at a measured cost. */
export function modelLines(costs: Costs): string[] {
  const a = assumed;
  const { packetsPerSecond, hopsPerSecond, machines, mbitPerMachine, mbPerUser } = need(a, costs);
  return [
    `model: ${a.users} people who send ${a.messages} messages a day of ${a.packets} packets, ${a.cover} of cover for each, over ${a.hops} mixes (their gateways are not counted); the busiest hour has ${a.peak} times the mean,`,
    `machines of ${a.cores} cores are loaded to ${a.load * 100} % in it. All of these are assumed; measured is ${costs.hop.toFixed(2)} ms of processor for a packet and hop:`,
    `  ${packetsPerSecond.toFixed(0)} packets/s enter, mixes take ${hopsPerSecond.toFixed(0)} packets/s: ${machines.toFixed(1)} machines, ${mbitPerMachine.toFixed(0)} Mbit/s each in and out together; ${mbPerUser.toFixed(1)} MB a day for each person up and down`,
  ];
}
