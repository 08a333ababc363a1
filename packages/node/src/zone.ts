import { createHash } from 'node:crypto';
import { encodeBase64 } from '@postern/protocol/codec';
import { textData } from './keys/dkim-keys.ts';

export interface ZoneRecord {
  /** With the dot at its end. */
  readonly owner: string;
  readonly type: string;
  /** As in a zone file. */
  readonly data: string;
  /** When it is published, or taken out again. */
  readonly when?: string;
}

export interface ZoneParts {
  readonly domain: string;
  /** The records of the domain's key (spec dns 2), as in a zone file. */
  readonly own: string;
  /** Certificates of the keys before, binary. */
  readonly certificatesBefore: readonly Uint8Array[];
  /** Those of its DKIM keys. */
  readonly dkim: readonly { readonly owner: string; readonly data: string }[];
  /** Name of the server that takes mail for the domain. */
  readonly mx: string;
  /** What that server shows; none while it is not known. */
  readonly certificate:
    | {
        /** Hex SHA-256 of the SubjectPublicKeyInfo: of the one that is shown, and of those beside it while it changes. */
        readonly pins: readonly string[];
        readonly selfSigned: boolean;
      }
    | undefined;
}

/** All that DNS says of a domain whose gateway this is. */
export interface DomainZone {
  readonly domain: string;
  readonly records: readonly ZoneRecord[];
  /** What its owner had better decide, each with the reason. */
  readonly suggestions: readonly (ZoneRecord & { readonly why: string })[];
  /** What MTA-STS (RFC 8461) asks to be served over HTTPS. */
  readonly policy: { readonly url: string; readonly text: string };
}

export function domainZone({
  domain,
  own,
  certificatesBefore,
  dkim,
  mx,
  certificate,
}: ZoneParts): DomainZone {
  const policy = `version: STSv1\r\nmode: enforce\r\nmx: ${mx}\r\nmax_age: 604800\r\n`;
  const sts: ZoneRecord = {
    owner: `_mta-sts.${domain}.`,
    type: 'TXT',
    // A name of the policy itself, so that it changes when that does.
    data: textData(`v=STSv1; id=${createHash('sha256').update(policy).digest('hex').slice(0, 32)}`),
  };
  const signed = certificate?.selfSigned === false;
  const text = (owner: string, data: string): ZoneRecord => ({ owner, type: 'TXT', data: textData(data) });
  return {
    domain,
    records: [
      ...keyRecords(own, certificatesBefore),
      { owner: `${domain}.`, type: 'MX', data: `10 ${mx}.` },
      ...(certificate?.pins ?? []).map((pin) => ({
        owner: `_25._tcp.${mx}.`,
        type: 'TLSA',
        data: `3 1 1 ${pin}`,
      })),
      // Senders that go by MTA-STS take no certificate that nobody has signed for.
      ...(signed ? [sts] : []),
      ...dkim.map(({ owner, data }) => ({ owner, type: 'TXT', data })),
    ],
    suggestions: [
      ...(certificate === undefined
        ? [
            {
              owner: `_25._tcp.${mx}.`,
              type: 'TLSA',
              data: '3 1 1 …',
              why: 'with the key of that server: give --mx-cert FILE, its certificate, and it stands here',
            },
          ]
        : []),
      ...(signed
        ? []
        : [
            { ...sts, why: 'only with a certificate of that server from an authority that everybody trusts' },
          ]),
      { ...text(`${domain}.`, 'v=spf1 mx -all'), why: 'once nothing else sends mail for the domain' },
      {
        ...text(`_dmarc.${domain}.`, 'v=DMARC1; p=reject; adkim=s; aspf=s'),
        why: 'once all mail of the domain is signed',
      },
    ],
    policy: { url: `https://mta-sts.${domain}/.well-known/mta-sts.txt`, text: policy },
  };
}

/** Lines for a zone file, ready but for what its owner has to decide, which stands there as comments. */
export function formatDomainZone({ domain, records, suggestions, policy }: DomainZone): string {
  const line = ({ owner, type, data, when }: ZoneRecord): string =>
    `${when === undefined ? '' : `; ${when}:\n`}${owner} IN ${type} ${data}\n`;
  const policyLines = policy.text.trimEnd().split('\r\n');
  return [
    `; Records of ${domain}, ready for its zone. TLSA needs DNSSEC. What is behind a semicolon is for its owner to decide.\n`,
    ...records.map(line),
    ...suggestions.map(({ why, ...record }) => `; ${why}:\n;   ${line(record)}`),
    `; MTA-STS: the policy at ${policy.url}\n`,
    ...policyLines.map((text) => `;   ${text}\n`),
  ].join('');
}

// spec dns 5.2
/** The certificates before stand beside the present one: whoever remembers the text before asks for them still. */
function keyRecords(own: string, certificatesBefore: readonly Uint8Array[]): ZoneRecord[] {
  const records = readLines(own);
  const certificate = records.find(({ type }) => type === 'OPENPGPKEY');
  if (certificate === undefined || certificatesBefore.length === 0) return records;
  const before = certificatesBefore.map((bytes) => ({
    ...certificate,
    data: encodeBase64(bytes),
    when: 'of a key before: it may go once the text above has been there for longer than its time to live',
  }));
  const last = 'once all certificates below have been there for longer than their time to live';
  return [...records.map((one) => (one.type === 'TXT' ? { ...one, when: last } : one)), ...before];
}

function readLines(zone: string): ZoneRecord[] {
  return [...zone.matchAll(/^(\S+) IN (\S+) (.+)$/gm)].map(([, owner = '', type = '', data = '']) => ({
    owner,
    type,
    data,
  }));
}
