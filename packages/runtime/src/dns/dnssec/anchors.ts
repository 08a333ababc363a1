import { hash } from 'node:crypto';
import { DnsError } from '../errors.ts';
import { nameToWire, root } from '../name.ts';
import { type Delegation, isDelegatedTo, isUnderstood, readDelegation, readZoneKey } from './keys.ts';

/** The root zone's key signing keys of 2017 and 2024, as IANA publishes them (RFC 7958). */
export const ianaAnchors = `
. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
`;

/**
 * Trust anchors for the root, as lines of a zone file: DS, or DNSKEY as `unbound-anchor` and `/usr/share/dns/root.key` have them.
 * Throws `DnsError` `wrong-anchors`.
 */
export function parseAnchors(text: string): readonly Delegation[] {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.replace(/;.*$/, '').trim())
    .filter((line) => line !== '');
  const anchors = lines.map((line) => {
    const anchor = readLine(line);
    if (anchor !== undefined) return anchor;
    throw new DnsError('wrong-anchors', `this line is no trust anchor for the root: ${line}`);
  });
  if (anchors.length === 0) throw new DnsError('wrong-anchors', 'there is no trust anchor');
  return anchors;
}

function readLine(line: string): Delegation | undefined {
  const [, type, a, b, c, rest = ''] =
    /^\.\s+(?:\d+\s+)?(?:IN\s+)?(DS|DNSKEY)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S[\sA-Za-z0-9+/=]*)$/.exec(line) ??
    [];
  const [one, two, three] = [Number(a), Number(b), Number(c)];
  if (type === undefined || one > 65_535 || two > 255 || three > 255) return undefined;
  const joined = rest.replace(/\s+/g, '');
  const head = Buffer.of(one >> 8, one & 0xff, two, three);
  if (type === 'DNSKEY') return ofKey(Buffer.concat([head, Buffer.from(joined, 'base64')]));
  const ds = readDelegation(Buffer.concat([head, Buffer.from(joined, 'hex')]));
  const size = ds?.digestType === 4 ? 48 : 32;
  return ds !== undefined && isUnderstood(ds) && ds.digest.length === size && joined.length === 2 * size
    ? ds
    : undefined;
}

function ofKey(data: Uint8Array): Delegation | undefined {
  const key = readZoneKey(data);
  if (key === undefined) return undefined;
  const digest = hash('sha256', Buffer.concat([nameToWire(root), data]), 'buffer');
  const anchor = { tag: key.tag, algorithm: key.algorithm, digestType: 2, digest };
  return isDelegatedTo(root, key, anchor) ? anchor : undefined;
}
