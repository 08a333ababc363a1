import { checkReach, dkimOwner, dkimRecord, spkiPin } from '@postern/mail';
import { createLog, ExitCode, systemClock, systemRandom, UserError } from '@postern/runtime';
import { openResolver } from '@postern/runtime/dns';
import type { Command } from 'commander';
import { openCertificateFiles } from '../certificate-files.ts';
import { type CheckFinding, checkOwnDomain, type OwnServer } from '../check/check.ts';
import type { DeliveryConfig, NodeConfig } from '../config.ts';
import { readRecord } from '../keys/domain-keys.ts';
import type { Unread } from '../keys/loaded.ts';
import { createNames } from '../names.ts';
import { policiesInMemory } from '../policy-store.ts';
import { configOption, readConfig } from './context.ts';
import { allDkimKeys, ownCertificate } from './dns.ts';
import { restoreOrRemove } from './unread.ts';

export function addCheck(domain: Command): void {
  domain
    .command('check')
    .description('Ask DNS and the servers what others find of the domain, and say what to mend.')
    .option(...configOption)
    .option('--json', 'print one JSON object')
    .action(async (options: { readonly config: string; readonly json?: boolean }) => {
      const config = await readConfig(options.config);
      const { delivery } = config;
      if (delivery === undefined)
        throw new UserError('a node without a domain has none to check', {
          exitCode: ExitCode.usage,
          hint: 'Only a gateway has: one with the role "delivery".',
        });
      const findings = await check(config, delivery);
      const text =
        options.json === true
          ? `${JSON.stringify({ domain: delivery.domain, findings }, null, 2)}\n`
          : findings.map(line).join('');
      process.stdout.write(text);
      const bad = findings.filter(({ holds }) => !holds).length;
      if (bad > 0)
        throw new UserError(`${delivery.domain} is not found as it is meant: ${bad} of ${findings.length}`, {
          exitCode: ExitCode.failure,
        });
    });
}

async function check(config: NodeConfig, { domain }: DeliveryConfig): Promise<CheckFinding[]> {
  const { dataDir, submission, smtp } = config;
  const resolver = await openResolver(config.dns, systemClock);
  if (resolver === undefined)
    throw new UserError('the configuration has nobody asked', {
      exitCode: ExitCode.config,
      hint: 'Name a resolver in the section [dns].',
    });
  const names = createNames({
    clock: systemClock,
    random: systemRandom,
    resolver,
    ownNames: [],
    policies: policiesInMemory(),
    allowPrivate: true, // its own may be anywhere
  });
  const dkim = submission === undefined ? undefined : await allDkimKeys(dataDir, domain);
  const shown = await ownCertificate(dataDir);
  const own = {
    record: await readRecord(dataDir, domain),
    dkim: (dkim?.keys ?? []).map((key) => ({ owner: dkimOwner(domain, key), text: dkimRecord(key) })),
    servers: await ownServers(config, shown.pins),
  };
  const findings = await checkOwnDomain(own, {
    resolver,
    now: Math.floor(systemClock.now() / 1_000),
    findPeers: (of, tls) => names.findPeers(of, tls, AbortSignal.timeout(lookUpMs)),
    reach: (peer) => checkReach(peer, { ehloName: smtp.ehlo, timeoutMs }),
  });
  return [
    ...findings,
    ...unreadFindings('dkim', dkim?.unread ?? []),
    ...unreadFindings('gateway', shown.unread),
  ];
}

function unreadFindings(about: CheckFinding['about'], unread: readonly Unread[]): CheckFinding[] {
  return unread.map(({ dir }) => ({
    about,
    holds: false,
    says: `the key before the present one in ${dir} cannot be read`,
    mend: restoreOrRemove,
  }));
}

/** Those that others connect to, under the name that the node advertises. */
async function ownServers(
  { smtp, submission, name }: NodeConfig,
  pins: readonly string[],
): Promise<OwnServer[]> {
  const { host, port } = smtp.advertise;
  const gateway: OwnServer = { about: 'gateway', host, port, implicitTls: false, tls: { kind: 'pin', pins } };
  if (submission === undefined) return [gateway];
  const files =
    submission.tls &&
    (await openCertificateFiles(submission.tls, { clock: systemClock, log: createLog({ name }) }));
  const shown = files === undefined ? pins : [spkiPin(files.current().cert)];
  const listening = [
    { at: submission.listen, implicitTls: false },
    { at: submission.listenTls, implicitTls: true },
  ];
  return [
    gateway,
    ...listening.flatMap(({ at, implicitTls }): OwnServer[] =>
      at === undefined
        ? []
        : [{ about: 'submission', host, port: at.port, implicitTls, tls: { kind: 'pin', pins: shown } }],
    ),
  ];
}

function line({ about, holds, says, mend }: CheckFinding): string {
  const start = `${holds ? 'good' : 'BAD '}  ${about.padEnd(11)} ${says}\n`;
  return mend === undefined ? start : `${start}${' '.repeat(18)}mend: ${mend}\n`;
}

const timeoutMs = 10_000;
const lookUpMs = 60_000;
