import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSmtpSender, type SmtpSender, spkiPin } from '@postern/mail';
import { initNode, parseNodeConfig, type RunningNode, startNode } from '@postern/node';
import { type Clock, type Endpoint, readToml, silentLog, systemClock, systemRandom } from '@postern/runtime';
import type { Tap } from '@postern/testkit';
import { ours } from '../../e2e/command.ts';
import type { DomainGateway, Watch } from './domains.ts';

type NewNode = Parameters<typeof initNode>[0];

/** A node whose keys and records are there before it runs. */
export interface MadeNode {
  readonly certificate: string;
  readonly configPath: string;
  /** Who stands before it. */
  readonly tap: Tap | undefined;
  /** What it says that its domain's zone has to say, without what the mail server in front of it answers for. */
  records(): Promise<string[]>;
  start(resolver: Endpoint, clock: Clock): Promise<RunningNode>;
}

interface Surroundings {
  /** The directory that it joins. */
  readonly url: string;
  readonly vkey: string;
  readonly watch: Watch | undefined;
  readonly stack: AsyncDisposableStack;
  /** Addresses of nodes that are found by their names, on port 25. */
  readonly hosts: Readonly<Record<string, string>>;
}

const deps = { clock: systemClock, random: systemRandom, log: silentLog };

/** Makes nodes with a folder each. */
export function nodesIn(folder: string, { url, vkey, watch, stack, hosts }: Surroundings) {
  return async (
    node: Pick<NewNode, 'name' | 'roles' | 'behind' | 'delivery' | 'submission'>,
  ): Promise<MadeNode> => {
    const { name } = node;
    const dataDir = join(folder, name, 'data');
    const configPath = join(folder, name, 'node.toml');
    const host = hosts[name];
    const listen = host === undefined ? { host: '127.0.0.1', port: 0 } : { host, port: 25 };
    const tap = watch && stack.use(await watch.tap({ name, ...(host && { listen }) }));
    const here = {
      listen: tap ? '127.0.0.1:0' : text(listen),
      advertise: host === undefined ? text(tap?.address ?? listen) : `${name}:25`,
    };
    await initNode(
      { ...node, ...here, configPath, dataDir, directoryUrls: [url], authorities: [vkey] },
      deps,
    );
    return {
      certificate: join(dataDir, 'tls.crt'),
      configPath,
      tap,
      records: async () => {
        const { code, stdout, stderr } = await ours('postern-node', ['dns', 'zone', '--config', configPath]);
        if (code !== 0) throw new Error(stderr);
        const lines = stdout.toString().split('\n');
        return lines.filter((line) => /^\S*_(?:securemail|openpgpkey|domainkey)\./.test(line));
      },
      start: async (resolver, clock) => {
        const fields = (await readToml(configPath)) as { smtp: object };
        const config = parseNodeConfig({
          ...fields,
          data_dir: dataDir,
          smtp: { ...fields.smtp, allow_private: true },
          dns: { resolver: text(resolver) },
        });
        if (watch === undefined && Object.keys(hosts).length === 0)
          return startNode(config, { ...deps, clock });
        const plain = createSmtpSender({ ehloName: config.smtp.ehlo });
        const sender = senderByName(watch?.record(name, plain) ?? plain, hosts);
        const log = watch?.log(name) ?? silentLog;
        const running = await startNode(config, { ...deps, clock, log, sender });
        tap?.leadTo({ ...running.smtp, host: '127.0.0.1' });
        return running;
      },
    };
  };
}

/** Finds hosts by what their A records would say; all others as always. */
export function senderByName(sender: SmtpSender, hosts: Readonly<Record<string, string>>): SmtpSender {
  return {
    send: (peer, message) => sender.send({ ...peer, host: hosts[peer.host] ?? peer.host }, message),
    close: () => sender.close(),
    [Symbol.asyncDispose]: () => sender[Symbol.asyncDispose](),
  };
}

export async function gatewayOf(
  node: RunningNode,
  { certificate, configPath, tap }: MadeNode,
): Promise<DomainGateway> {
  const pin = spkiPin(await readFile(certificate, 'utf8'));
  return { node, certificate, configPath, at: { ...(tap?.address ?? node.smtp), pin } };
}

function text({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
