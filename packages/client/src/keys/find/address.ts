import { BlockList, isIPv4 } from 'node:net';

/**
 * Whether an address is one of the public Internet (IANA's special-purpose registries, RFC 6890). Whoever runs a domain chooses where its
 * name leads: it must not lead into the author's own network.
 */
export function isPublic(address: string): boolean {
  return isIPv4(address)
    ? !special.check(address, 'ipv4')
    : global.check(address, 'ipv6') && !special.check(address, 'ipv6');
}

const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');

const special = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const)
  special.addSubnet(network, bits, 'ipv4');
// Teredo and 6to4: an IPv4 address, of whatever kind, is inside
special.addSubnet('2001::', 32, 'ipv6');
special.addSubnet('2002::', 16, 'ipv6');
