import { isIP } from 'node:net';
import type { ReachCheck, SmtpPeer, TlsPolicy } from '@postern/mail';
import type { DomainRecord } from '@postern/protocol/dns';
import type { Resolver } from '@postern/runtime/dns';
import { isOnlyRecord } from '../keys/dkim-keys.ts';
import { askRecord, type FoundPeers, lookupAddresses } from '../names.ts';

/** What the gateway itself knows of its domain. */
export interface OwnDomain {
  readonly record: DomainRecord;
  /** What stands at each name (TXT) for the keys that sign. */
  readonly dkim: readonly { readonly owner: string; readonly text: string }[];
  /** Where mixes and authors find the gateway. */
  readonly servers: readonly OwnServer[];
}

export interface OwnServer {
  readonly about: 'gateway' | 'submission';
  /** A name, or an address. */
  readonly host: string;
  readonly port: number;
  readonly implicitTls: boolean;
  readonly tls: Extract<TlsPolicy, { kind: 'pin' }>;
}

/** One thing that others have to find as it is meant. */
export interface CheckFinding {
  readonly about: 'record' | 'expiry' | 'dkim' | 'exchanger' | OwnServer['about'];
  readonly holds: boolean;
  readonly says: string;
  /** What to do about it; only where it does not hold. */
  readonly mend?: string;
}

export interface CheckDeps {
  readonly resolver: Resolver;
  /** Unix seconds. */
  readonly now: number;
  readonly findPeers: (domain: string, tls: 'require' | 'prefer') => Promise<FoundPeers>;
  readonly reach: (peer: SmtpPeer) => Promise<ReachCheck>;
}

/** Asks DNS and the servers what others would find of the domain, and compares it with what its gateway has. */
export async function checkOwnDomain(own: OwnDomain, deps: CheckDeps): Promise<CheckFinding[]> {
  const [record, dkim, exchangers, servers] = await Promise.all([
    recordFinding(own.record, deps),
    Promise.all(own.dkim.map((key) => dkimFinding(key, deps.resolver))),
    exchangerFindings(own.record, deps),
    Promise.all(own.servers.map((server) => serverFindings(server, deps))),
  ]);
  return [record, expiryFinding(own.record, deps.now), ...dkim, ...exchangers, ...servers.flat()];
}

const publish = 'publish what "postern-node dns zone" prints, and raise the serial of the zone';

async function recordFinding(own: DomainRecord, { resolver, now }: CheckDeps): Promise<CheckFinding> {
  const about = 'record';
  const bad = (says: string, mend: string): CheckFinding => ({ about, holds: false, says, mend });
  const finding = await askRecord(own.domain, resolver, now);
  switch (finding.kind) {
    case 'does-not-take-part':
      return bad(`there is none at _securemail.${own.domain}`, publish);
    case 'unsigned':
      return bad(
        'nothing proves it',
        `sign the zone, and hand its DS record to the registrar of ${own.domain}`,
      );
    case 'temporary':
      return finding.reason === 'bogus'
        ? bad(
            'its signatures do not hold',
            'compare the DS record above the zone with the zone’s key, and the clocks',
          )
        : bad(`DNS does not answer (${finding.reason})`, 'see that resolver and name servers answer');
    case 'invalid':
      return bad(
        `it does not hold (${finding.reason})`,
        `write it anew if it has expired ("postern-node domain renew"), and ${publish}`,
      );
    case 'record':
    case 'changed':
      return compare(own, finding.record);
  }
}

function compare(own: DomainRecord, found: DomainRecord): CheckFinding {
  const about = 'record';
  if (found.fingerprint !== own.fingerprint)
    return {
      about,
      holds: false,
      says: `DNS has the key ${found.fingerprint}, the gateway ${own.fingerprint}`,
      mend: publish,
    };
  const keys = ['certificateDigest', 'tls', 'mix', 'maxBytes', 'expires'] as const;
  const others = keys.filter((key) => found[key] !== own[key]);
  return others.length === 0
    ? { about, holds: true, says: `${own.fingerprint}, proven by DNSSEC` }
    : { about, holds: false, says: `DNS has another ${others.join(', ')} than the gateway`, mend: publish };
}

function expiryFinding({ expires }: DomainRecord, now: number): CheckFinding {
  const says = `holds until ${new Date(expires * 1_000).toISOString().slice(0, 10)}`;
  return expires - now >= nearSeconds
    ? { about: 'expiry', holds: true, says }
    : {
        about: 'expiry',
        holds: false,
        says,
        mend: 'run "postern-node domain renew", and publish what it writes',
      };
}

async function dkimFinding(
  { owner, text }: OwnDomain['dkim'][number],
  resolver: Resolver,
): Promise<CheckFinding> {
  const about = 'dkim';
  const answer = await resolver.resolve(owner, 'TXT');
  if (answer.kind === 'failed')
    return {
      about,
      holds: false,
      says: `DNS does not answer for ${owner} (${answer.reason})`,
      mend: 'see that resolver and name servers answer',
    };
  const texts = answer.kind === 'found' ? answer.records.map(({ strings }) => strings.join('')) : [];
  if (isOnlyRecord(text, texts)) return { about, holds: true, says: owner };
  const what =
    texts.length === 0
      ? 'there is no key'
      : 'there is another key, more than one, or one not as it is printed,';
  return { about, holds: false, says: `${what} at ${owner}`, mend: publish };
}

async function exchangerFindings(own: DomainRecord, deps: CheckDeps): Promise<CheckFinding[]> {
  const about = 'exchanger';
  const bad = (says: string, mend: string): CheckFinding[] => [{ about, holds: false, says, mend }];
  const found = await deps.findPeers(own.domain, own.tls);
  switch (found.kind) {
    case 'refused':
      return bad('the zone says that the domain takes no mail', `take the null MX out of it, and ${publish}`);
    case 'unverifiable':
      return bad(
        'nothing proves who takes the domain’s mail',
        `sign the zone of MX and TLSA with DNSSEC, or serve an MTA-STS policy, and ${publish}`,
      );
    case 'failed':
      return bad(
        'DNS gives no address of who takes the domain’s mail',
        `give the name in MX an A or AAAA record, and see that name servers answer`,
      );
    case 'found':
      return Promise.all(
        found.peers.map(async (peer) => {
          const name = `${peer.serverName ?? peer.host}:${peer.port}, ${peer.host}`;
          return reachFinding(about, name, await deps.reach(peer), exchangerMends);
        }),
      );
  }
}

async function serverFindings(
  { about, host, port, implicitTls, tls }: OwnServer,
  { resolver, reach }: CheckDeps,
): Promise<CheckFinding[]> {
  const addresses = isIP(host) !== 0 ? [host] : await lookupAddresses(resolver, host);
  if (addresses.length === 0)
    return [{ about, holds: false, says: `${host} has no address`, mend: 'give it an A or AAAA record' }];
  return Promise.all(
    addresses.map(async (address) =>
      reachFinding(
        about,
        `${host}:${port}, ${address}`,
        await reach({ host: address, port, implicitTls, tls }),
        ownMends,
      ),
    ),
  );
}

function reachFinding(
  about: CheckFinding['about'],
  name: string,
  reached: ReachCheck,
  mends: Mends,
): CheckFinding {
  if (reached === 'reached') return { about, holds: true, says: name };
  const bad = (says: string, mend: string): CheckFinding => ({ about, holds: false, says, mend });
  if (reached === 'untrusted') return bad(`another key or certificate at ${name}`, mends.untrusted);
  if (reached === 'no-tls') return bad(`no TLS at ${name}`, mends.noTls);
  return bad(
    `no way to ${name} (${reached})`,
    'see that it runs, and what firewall and address translation do',
  );
}

interface Mends {
  readonly untrusted: string;
  readonly noTls: string;
}

const exchangerMends: Mends = {
  untrusted: 'print TLSA anew with "postern-node dns zone --mx-cert FILE", FILE being what the server shows',
  noTls: 'give the mail server a certificate (smtpd_tls_cert_file, smtpd_tls_security_level of Postfix)',
};

const ownMends: Mends = {
  untrusted: 'something else listens there, or stands in between: bring it to the gateway itself',
  noTls: 'something else listens there, or stands in between: bring it to the gateway itself',
};

/** As long as it takes to notice, and for what is remembered to be forgotten. */
const nearSeconds = 60 * 86_400;
