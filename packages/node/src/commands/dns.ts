import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DkimKey, spkiPin } from '@postern/mail';
import { domainName, ExitCode, UserError } from '@postern/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import { loadCertificate } from '../keys/certificate.ts';
import { dkimLine, loadDkimKeys } from '../keys/dkim-keys.ts';
import { certificatesBefore } from '../keys/domain-keys.ts';
import { readPublicFile } from '../keys/files.ts';
import { inOrder, loadRing, type Unread } from '../keys/loaded.ts';
import { dkimRing, readRing, tlsRing } from '../keys/ring.ts';
import { domainZone, formatDomainZone, type ZoneParts } from '../zone.ts';
import { configOption, readConfig } from './context.ts';
import { refuseUnread } from './unread.ts';

interface ZoneOptions {
  readonly config: string;
  readonly mx?: string;
  readonly mxCert?: string;
  readonly json?: boolean;
}

export function addDns(program: Command): void {
  const dns = program.command('dns').description('What DNS has to say of the domain.');
  dns
    .command('zone')
    .description('Print all records of the domain, ready for its zone file.')
    .option(...configOption)
    .option('--mx <name>', 'name under which it takes mail (default: that of smtp.advertise)', parseName)
    .option(
      '--mx-cert <file>',
      'certificate of the mail server under that name, PEM (default: the node’s own)',
    )
    .option('--json', 'print one JSON object')
    .action(async (options: ZoneOptions) => {
      const { dataDir, delivery, submission, smtp } = await readConfig(options.config);
      if (delivery === undefined)
        throw new UserError('a node without a domain has no records', {
          exitCode: ExitCode.usage,
          hint: 'Only a gateway has: one with the role "delivery".',
        });
      const { domain } = delivery;
      const dkim = submission === undefined ? noKeys : await allDkimKeys(dataDir, domain);
      const advertised = domainName.safeParse(smtp.advertise.host).data;
      const own = advertised ?? smtp.ehlo;
      const mx = options.mx ?? own;
      const given =
        options.mxCert === undefined ? undefined : describe(await readCertificate(options.mxCert));
      const shown = given === undefined && mx === own ? await ownCertificate(dataDir) : undefined;
      const before = await certificatesBefore(dataDir);
      const zone = domainZone({
        domain,
        certificatesBefore: before.certificates,
        own: Buffer.from(await readPublicFile(join(dataDir, `${domain}.zone`))).toString('utf8'),
        dkim: dkim.keys.map((key) => dkimLine(domain, key)),
        mx,
        certificate: given ?? shown,
      });
      process.stdout.write(
        options.json === true ? `${JSON.stringify(zone, null, 2)}\n` : formatDomainZone(zone),
      );
      refuseUnread(
        [...before.unread, ...dkim.unread, ...(shown?.unread ?? [])],
        'Its records are not among those printed: leave them where they are published',
      );
    });
}

export interface AllDkimKeys {
  readonly keys: readonly DkimKey[];
  readonly unread: readonly Unread[];
}

const noKeys: AllDkimKeys = { keys: [], unread: [] };

/** Of those that sign, will sign, or signed what may still be on its way. */
export async function allDkimKeys(dataDir: string, domain: string): Promise<AllDkimKeys> {
  const ring = await readRing(dataDir, dkimRing);
  const { keys, unread } = await loadRing(ring, (dir) => loadDkimKeys(dir, domain));
  return { keys: inOrder(keys).flatMap(({ value }) => value), unread };
}

/** The one that is shown, with the keys beside it while it changes. */
export async function ownCertificate(
  dataDir: string,
): Promise<NonNullable<ZoneParts['certificate']> & { readonly unread: readonly Unread[] }> {
  const { keys, unread } = await loadRing(await readRing(dataDir, tlsRing), loadCertificate);
  const { selfSigned } = describe(keys.current.value.cert);
  return { pins: inOrder(keys).map(({ value }) => value.pin), selfSigned, unread };
}

function describe(pem: string): NonNullable<ZoneParts['certificate']> {
  const certificate = new X509Certificate(pem);
  return { pins: [spkiPin(pem)], selfSigned: certificate.checkIssued(certificate) };
}

/** The first of a file, which is the server's own where others follow that vouch for it. */
async function readCertificate(path: string): Promise<string> {
  try {
    const pem = await readFile(path, 'utf8');
    return new X509Certificate(pem).toString();
  } catch (cause) {
    throw new UserError(`${path} cannot be read as a certificate`, {
      cause,
      exitCode: ExitCode.dataError,
      hint: 'Give the PEM file that the mail server shows at STARTTLS, as smtpd_tls_cert_file names it.',
    });
  }
}

function parseName(text: string): string {
  const parsed = domainName.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError('It is no domain name.');
}
