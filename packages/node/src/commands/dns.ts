import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DkimKey, spkiPin } from '@postern/mail';
import { domainName, ExitCode, UserError } from '@postern/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import { loadCertificate } from '../keys/certificate.ts';
import { dkimLine, loadDkimKeys } from '../keys/dkim-keys.ts';
import { readKeyFile } from '../keys/files.ts';
import { dkimRing, readRing, tlsRing } from '../keys/ring.ts';
import { domainZone, formatDomainZone, type ZoneParts } from '../zone.ts';
import { configOption, readConfig } from './context.ts';

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
      const keys = submission === undefined ? [] : await allDkimKeys(dataDir, domain);
      const advertised = domainName.safeParse(smtp.advertise.host).data;
      const own = advertised ?? smtp.ehlo;
      const mx = options.mx ?? own;
      const zone = domainZone({
        domain,
        own: Buffer.from(await readKeyFile(join(dataDir, `${domain}.zone`))).toString('utf8'),
        dkim: keys.map((key) => dkimLine(domain, key)),
        mx,
        certificate:
          options.mxCert !== undefined
            ? describe(await readCertificate(options.mxCert))
            : mx === own
              ? await ownCertificate(dataDir)
              : undefined,
      });
      process.stdout.write(
        options.json === true ? `${JSON.stringify(zone, null, 2)}\n` : formatDomainZone(zone),
      );
    });
}

/** Of those that sign, will sign, or signed what may still be on its way. */
async function allDkimKeys(dataDir: string, domain: string): Promise<DkimKey[]> {
  const { next, current, previous } = await readRing(dataDir, dkimRing);
  const all = [current, ...(next === undefined ? [] : [next]), ...previous];
  return (await Promise.all(all.map(({ dir }) => loadDkimKeys(dir, domain)))).flat();
}

/** The one that is shown, with the keys beside it while it changes. */
async function ownCertificate(dataDir: string): Promise<NonNullable<ZoneParts['certificate']>> {
  const { next, current, previous } = await readRing(dataDir, tlsRing);
  const { cert } = await loadCertificate(current.dir);
  const others = await Promise.all(
    [...(next === undefined ? [] : [next]), ...previous].map(({ dir }) => loadCertificate(dir)),
  );
  const { pins, selfSigned } = describe(cert);
  return { pins: [...pins, ...others.map(({ pin }) => pin)], selfSigned };
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
