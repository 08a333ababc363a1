import type { DirectoryClient } from '@postern/directory/client';
import type { SmtpSenderOptions } from '@postern/mail';
import { formatTold, parseTold, type Told } from '@postern/protocol/consensus';
import type { Log } from '@postern/runtime';
import { codeOf } from './loop.ts';
import type { Topology } from './topology.ts';

export interface MeetContext {
  readonly directory: Pick<DirectoryClient, 'hear'>;
  readonly topology: Topology;
  readonly log: Log;
  /** Called when authorities were shown to have signed two documents, and nothing is to be sent any more. */
  readonly onFork: () => void;
}

/** Which consensus the node goes by, for whoever connects to it (spec consensus 10.6); nothing while it has none. */
export function toldBy(topology: Pick<Topology, 'valid'>): readonly string[] {
  const valid = topology.valid();
  return valid === undefined ? [] : [formatTold({ epoch: valid.consensus.epoch, digest: valid.digest })];
}

/**
 * Listens to what the next hops say that they go by. What is made up there may cost a request now and then and keeps nobody from getting their
 * packets; two documents that authorities have signed stop the node.
 */
export function createMeet({
  directory,
  topology,
  log,
  onFork,
}: MeetContext): NonNullable<SmtpSenderOptions['meet']> {
  const listen = async (told: Told): Promise<void> => {
    const heard = await directory.hear(told);
    if (heard === 'other') log.warn('a node goes by another consensus', { epoch: told.epoch });
    if (heard !== 'fork') return;
    topology.update(undefined);
    onFork();
  };
  return async (_peer, offers) => {
    const told = parseTold(offers);
    if (told !== undefined)
      listen(told).catch((error: unknown) =>
        log.warn('what a node goes by was not looked into', { code: codeOf(error) }),
      );
    return 'go-on';
  };
}
