import { describe, expect, test } from 'vitest';
import { Admission, type Guest, remoteNetworks } from './admission.ts';
import { defaultSmtpLimits } from './limits.ts';

class Visitor implements Guest {
  phase: Guest['phase'] = 'idle';
  dismissed = false;
  readonly remoteAddress: string;

  constructor(remoteAddress: string) {
    this.remoteAddress = remoteAddress;
  }

  dismiss(): void {
    this.dismissed = true;
  }
}

function open(maxConnections: number, maxConnectionsPerRemote: number): Admission<Visitor> {
  return new Admission({ ...defaultSmtpLimits, maxConnections, maxConnectionsPerRemote });
}

function arrive(admission: Admission<Visitor>, addresses: readonly string[]): Visitor[] {
  const visitors = addresses.map((address) => new Visitor(address));
  for (const visitor of visitors) expect(admission.admit(visitor)).toBe(true);
  return visitors;
}

const dismissed = (visitors: readonly Visitor[]): boolean[] => visitors.map((visitor) => visitor.dismissed);

describe('who is let in', () => {
  test('the longest without a message makes place when the server is full', () => {
    const admission = open(3, 3);
    const [a, b, c] = arrive(admission, ['10.0.0.1', '10.0.0.2', '10.0.0.3']) as [Visitor, Visitor, Visitor];
    admission.handedOver(a);
    b.phase = 'receiving';
    const [d] = arrive(admission, ['10.0.0.4']) as [Visitor];
    expect(dismissed([a, b, c, d])).toEqual([false, false, true, false]);
    arrive(admission, ['10.0.0.5']);
    expect(dismissed([a, b, c, d])).toEqual([true, false, true, false]);
  });

  test('a remote at its own limit makes place for itself, and nobody else does', () => {
    const admission = open(10, 2);
    const [other] = arrive(admission, ['10.0.0.9']) as [Visitor];
    const flood = arrive(
      admission,
      Array.from({ length: 1000 }, () => '10.0.0.1'),
    );
    expect(other.dismissed).toBe(false);
    expect(flood.filter((visitor) => !visitor.dismissed)).toEqual(flood.slice(-2));
    expect(admission.sessions()).toEqual([other, ...flood.slice(-2)]);
  });

  test('one of many in a /64 counts with the others, and those of a /48 together', () => {
    const admission = open(10, 2);
    const flood = arrive(admission, ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:1::1']);
    expect(dismissed(flood)).toEqual([true, false, false, false]);
    arrive(admission, ['2001:db8:0:1::1', '2001:db8:0:2::1']);
    expect(dismissed(flood)).toEqual([true, true, true, false]);
  });

  test('in a /48 that has all its places the largest /64 makes place', () => {
    const admission = open(10, 4);
    const sending = (addresses: readonly string[]): Visitor[] =>
      addresses.flatMap((address) => {
        const visitors = arrive(admission, [address]);
        for (const visitor of visitors) visitor.phase = 'receiving';
        return visitors;
      });
    const flood = sending(['2001:db8:0:1::1', '2001:db8:0:1::2', '2001:db8:0:2::1', '2001:db8:0:2::2']);
    const honest = sending(['2001:db8:0:3::1', '2001:db8:1::1']);
    expect(dismissed(flood)).toEqual([true, false, false, false]);
    sending(['2001:db8:0:2::3', '2001:db8:0:1::3']);
    expect(dismissed([...flood, ...honest])).toEqual([true, false, true, true, false, false]);
  });

  test('messages without end of a few networks keep nobody out, whose own is left alone', () => {
    const admission = open(12, 4);
    const networks = ['2001:db8:1', '2001:db8:2', '10.0.0.1'];
    const attack = (): Visitor[] => {
      const visitors = arrive(
        admission,
        networks.flatMap((network) =>
          Array.from({ length: 4 }, (_, n) => (network.includes(':') ? `${network}:${n}::1` : network)),
        ),
      );
      for (const visitor of visitors) visitor.phase = 'receiving';
      return visitors;
    };
    attack();
    const [honest] = arrive(admission, ['10.0.0.9']) as [Visitor];
    for (const phase of ['idle', 'receiving', 'deciding', 'idle'] as const) {
      honest.phase = phase;
      attack();
      expect(honest.dismissed).toBe(false);
    }
    expect(admission.sessions()).toHaveLength(12);
  });

  test('a message under way makes place only where nobody is idle, that of the largest network first', () => {
    const admission = open(4, 3);
    const [one, idle] = arrive(admission, ['10.0.0.1', '10.0.0.2']) as [Visitor, Visitor];
    const many = arrive(admission, ['10.0.0.3', '10.0.0.3']);
    for (const visitor of [one, ...many]) visitor.phase = 'receiving';
    const [first] = arrive(admission, ['10.0.0.4']) as [Visitor];
    expect(dismissed([one, idle, ...many])).toEqual([false, true, false, false]);
    first.phase = 'receiving';
    arrive(admission, ['10.0.0.5']);
    expect(dismissed([one, first, ...many])).toEqual([false, false, true, false]);
  });

  test('where all messages are with the receiver the newcomer is not let in, and does not count', () => {
    const admission = open(2, 1);
    const [a, b] = arrive(admission, ['10.0.0.1', '10.0.0.2']) as [Visitor, Visitor];
    a.phase = 'deciding';
    expect(admission.admit(new Visitor('10.0.0.1'))).toBe(false);
    expect(b.dismissed).toBe(false);
    b.phase = 'deciding';
    expect(admission.admit(new Visitor('10.0.0.3'))).toBe(false);
    expect(admission.sessions()).toEqual([a, b]);
    admission.leave(a);
    arrive(admission, ['10.0.0.1']);
  });

  test('who was dismissed does not come in again by a message', () => {
    const admission = open(1, 1);
    const [a, b] = arrive(admission, ['10.0.0.1', '10.0.0.2']) as [Visitor, Visitor];
    admission.handedOver(a);
    expect(admission.sessions()).toEqual([b]);
  });
});

test.each([
  ['192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['::FFFF:192.0.2.1', '192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0::/64', '2001:db8:0::/48'],
  ['2001:DB8:0:0:ffff:ffff:ffff:ffff', '2001:db8:0:0::/64', '2001:db8:0::/48'],
  ['2001:db8:0:1::1', '2001:db8:0:1::/64', '2001:db8:0::/48'],
  ['2001:0db8::', '2001:db8:0:0::/64', '2001:db8:0::/48'],
  ['1:2:3:4:5:6:7::', '1:2:3:4::/64', '1:2:3::/48'],
  ['::2:3:4:5:6:7:8', '0:2:3:4::/64', '0:2:3::/48'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64', '64:ff9b:0::/48'],
  ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4::/64', '1:2:3::/48'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64', 'fe80:0:0::/48'],
  ['::1', '0:0:0:0::/64', '0:0:0::/48'],
])('%s belongs to %s and %s', (address, narrow, wide) => {
  expect(remoteNetworks(address)).toEqual({ narrow, wide });
});
