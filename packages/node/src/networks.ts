import { BlockList, isIP } from 'node:net';
import { z } from 'zod';

/** An address, or a network by its prefix length: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`. */
export const networkText: z.ZodType<string, string> = z
  .string()
  .refine(
    (text) => networkIn(text) !== undefined,
    'is no address; write for example "127.0.0.1", or a network such as "10.0.0.0/8"',
  );

/** Whether an address is in one of the networks, each a `networkText`. IPv4 mapped into IPv6 is IPv4. */
export function isIn(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const { address, prefix, family } of networks.flatMap((text) => networkIn(text) ?? []))
    list.addSubnet(address, prefix, family);
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address));
}

interface Network {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

function networkIn(text: string): Network | undefined {
  const [, address = '', digits] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  if (isIP(address) === 0) return undefined;
  const family = familyOf(address);
  const longest = family === 'ipv4' ? 32 : 128;
  const prefix = digits === undefined ? longest : Number(digits);
  return prefix > longest ? undefined : { address, prefix, family };
}

function familyOf(address: string): Network['family'] {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}
