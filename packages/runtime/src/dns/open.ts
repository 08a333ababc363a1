import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import type { Endpoint } from '../config.ts';
import { ConfigError } from '../errors.ts';
import type { Resolver } from './answer.ts';
import type { DnsConfig } from './config.ts';
import { createValidatingResolver } from './dnssec/validator.ts';
import { DnsError } from './errors.ts';
import { createStubResolver, isLoopback } from './stub.ts';

/** Whom to ask; `undefined` for nobody. Throws `ConfigError` for trust anchors that do not hold. */
export async function openResolver(config: DnsConfig, clock: Clock): Promise<Resolver | undefined> {
  const { resolver, validate, trustAnchors } = config;
  if (resolver === 'none') return undefined;
  const server = resolver === 'system' ? systemServer(await readResolvConf(), validate) : resolver;
  if (validate === 'resolver') return createStubResolver({ server, clock });
  if (trustAnchors === 'iana') return createValidatingResolver({ server, clock });
  try {
    const anchors = await readFile(trustAnchors.file, 'utf8');
    return createValidatingResolver({ server, clock, anchors });
  } catch (cause) {
    if (!(cause instanceof DnsError) && !(cause instanceof Error && 'syscall' in cause)) throw cause;
    const message = `${trustAnchors.file}: ${cause.message}`;
    throw new ConfigError('the configuration', [{ path: 'dns.trust_anchors', message }], { cause });
  }
}

/**
 * The first name server of resolv.conf(5). A resolver that has to be believed is on loopback: where the system's is not, the one that
 * may be there beside it.
 */
export function systemServer(resolvConf: string, validate: DnsConfig['validate']): Endpoint {
  const servers = resolvConf
    .split('\n')
    .flatMap((line) => /^\s*nameserver\s+([0-9A-Fa-f.:]+)\s*$/.exec(line)?.[1] ?? []);
  const host = validate === 'resolver' ? servers.find(isLoopback) : servers[0];
  return { host: host ?? '127.0.0.1', port: 53 };
}

async function readResolvConf(): Promise<string> {
  try {
    return await readFile('/etc/resolv.conf', 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
