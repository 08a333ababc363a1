import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import {
  type Clock,
  makeDirectory,
  makePrivateDirectory,
  type Random,
  writeFileDurable,
} from '@postern/runtime';
import { type NodeConfig, parseNodeConfig } from './config.ts';
import { formatConfig, type NewNode } from './config-file.ts';
import { NodeError } from './errors.ts';
import { createCertificate } from './keys/certificate.ts';
import { makeDkimKeys } from './keys/dkim-keys.ts';
import { createDomainKey } from './keys/domain-keys.ts';
import { createIdentity, identityPath } from './keys/identity.ts';
import { certify, usualDays } from './keys/signing.ts';
import type { SubmissionConfig } from './submission-config.ts';

/** What `initNode` has written. */
export interface NodeFiles {
  readonly configPath: string;
  /** Hex SHA-256 of the identity key. */
  readonly id: string;
  /** Where the identity key lies, which the node has no use for. */
  readonly identityPath: string;
  /** The records of the domain, for its zone or for authors to pin; only for a gateway. */
  readonly zonePath: string | undefined;
}

/**
 * Makes a data directory with keys (mode 0600), certificate and, for a gateway, the domain's key and records, with DKIM keys and a
 * file of authors when they submit there; writes a commented configuration. Replaces nothing: throws `NodeError` `already-there`, or `ConfigError` when what is asked for does not hold.
 */
export async function initNode(node: NewNode, deps: { clock: Clock; random: Random }): Promise<NodeFiles> {
  const configPath = resolve(node.configPath);
  const dataDir = resolve(dirname(configPath), node.dataDir);
  const written = isAbsolute(node.dataDir) ? dataDir : relative(dirname(configPath), dataDir) || '.';
  const text = formatConfig({ ...node, dataDir: written });
  const config = parseNodeConfig(text.fields, 'the new configuration');
  for (const path of filesOf(config, dataDir, configPath)) {
    if (existsSync(path))
      throw new NodeError('already-there', `${path} exists already`, {
        hint: 'Choose another --config or --dir. What is there is left as it is.',
      });
  }
  await makeDirectory(dirname(configPath));
  await makePrivateDirectory(dataDir);
  const identity = await createIdentity(dataDir, deps.random);
  const now = Math.floor(deps.clock.now() / 1_000);
  const { id } = await certify({ dataDir, identity, now, days: usualDays, random: deps.random });
  await createCertificate(dataDir, config.name, deps.random);
  const { delivery, submission } = config;
  const zonePath = delivery && (await createDomainKey(dataDir, delivery.domain, now));
  if (delivery !== undefined && submission !== undefined) {
    await makeDkimKeys(dataDir, deps.random);
    await createAuthors(submission, dirname(configPath), delivery.domain);
  }
  await writeFileDurable(configPath, text.toml, { mode: 0o644 });
  return { configPath, id, identityPath: identityPath(dataDir), zonePath };
}

/** A file without authors; one that is there stays as it is. */
async function createAuthors({ authors }: SubmissionConfig, base: string, domain: string): Promise<void> {
  if (authors.kind !== 'file') return;
  const path = resolve(base, authors.path);
  if (existsSync(path)) return;
  await makePrivateDirectory(dirname(path));
  const text = `# Authors of ${domain}, one mailbox:hash a line. postern-node author set MAILBOX adds one.\n`;
  await writeFileDurable(path, text);
}

function filesOf({ delivery, submission }: NodeConfig, dataDir: string, configPath: string): string[] {
  const names = ['identity.key', 'signing.key', 'tls.key', 'tls.crt', 'mix-keys', 'spool.sqlite'];
  if (delivery !== undefined) names.push('domain.key', `${delivery.domain}.zone`);
  if (submission !== undefined) names.push('dkim.json');
  return [configPath, ...names.map((name) => join(dataDir, name))];
}
