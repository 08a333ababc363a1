import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSmtpSender, spkiPin } from '@postern/mail';
import { initNode, parseNodeConfig, type RunningNode, startNode } from '@postern/node';
import { type Clock, type Endpoint, readToml, silentLog, systemClock, systemRandom } from '@postern/runtime';
import type { Tap } from '@postern/testkit';
import type { DomainGateway, Watch } from './domains.ts';

type NewNode = Parameters<typeof initNode>[0];

/** A node whose keys and records are there before it runs. */
export interface MadeNode {
  readonly certificate: string;
  readonly configPath: string;
  /** Who stands before it. */
  readonly tap: Tap | undefined;
  /** The lines of files that stand in its data directory. */
  records(...files: string[]): Promise<string[]>;
  start(resolver: Endpoint, clock: Clock): Promise<RunningNode>;
}

interface Surroundings {
  /** The directory that it joins. */
  readonly url: string;
  readonly vkey: string;
  readonly watch: Watch | undefined;
  readonly stack: AsyncDisposableStack;
}

const deps = { clock: systemClock, random: systemRandom, log: silentLog };

/** Makes nodes with a folder each. */
export function nodesIn(folder: string, { url, vkey, watch, stack }: Surroundings) {
  return async (node: Pick<NewNode, 'name' | 'roles' | 'delivery' | 'submission'>): Promise<MadeNode> => {
    const { name } = node;
    const dataDir = join(folder, name, 'data');
    const configPath = join(folder, name, 'node.toml');
    const tap = watch && stack.use(await watch.tap({ name }));
    const here = { listen: '127.0.0.1:0', advertise: tap ? text(tap.address) : '127.0.0.1:0' };
    await initNode(
      { ...node, ...here, configPath, dataDir, directoryUrls: [url], authorities: [vkey] },
      deps,
    );
    return {
      certificate: join(dataDir, 'tls.crt'),
      configPath,
      tap,
      records: async (...files) => {
        const zones = await Promise.all(files.map((file) => readFile(join(dataDir, file), 'utf8')));
        return zones.flatMap((zone) => zone.trim().split('\n'));
      },
      start: async (resolver, clock) => {
        const fields = (await readToml(configPath)) as { smtp: object };
        const config = parseNodeConfig({
          ...fields,
          data_dir: dataDir,
          smtp: { ...fields.smtp, allow_private: true },
          dns: { resolver: text(resolver) },
        });
        if (watch === undefined) return startNode(config, { ...deps, clock });
        const sender = watch.record(name, createSmtpSender({ ehloName: config.smtp.ehlo }));
        const running = await startNode(config, { ...deps, clock, log: watch.log(name), sender });
        tap?.leadTo({ ...running.smtp, host: '127.0.0.1' });
        return running;
      },
    };
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
