import { rename, writeFile } from 'node:fs/promises';
import type { Endpoint } from '@postern/runtime';

export type ProcessRole = 'authority' | 'mix' | 'delivery';

/** A process of the network. */
export interface NetworkProcess {
  readonly name: string;
  readonly role: ProcessRole;
  readonly pid: number;
  /** Where it takes SMTP; an authority takes none. */
  readonly smtp: Endpoint | null;
  /** Where it serves HTTP; only an authority does. */
  readonly http: string | null;
  readonly dataDir: string;
  /** What it writes on standard output and error. */
  readonly log: string;
  readonly config: string;
  /** With `--tap`: where others reach it, through the tap. */
  readonly tap: Endpoint | null;
}

export interface NetworkMailbox {
  readonly mailbox: string;
  /** Passphrase of the mailbox's key. */
  readonly password: string;
  /** The same in a file, for `postern --passphrase-file`. */
  readonly passphraseFile: string;
  readonly maildir: string;
  /** Its owner's home: `HOME` for the `postern` command, or its `--home`. */
  readonly home: string;
}

export interface NetworkDomain {
  readonly domain: string;
  /** The process that delivers for it. */
  readonly gateway: string;
  /** Its records, as authors pin them. */
  readonly zone: string;
  readonly mailboxes: readonly NetworkMailbox[];
}

/** `network.json`: where everything of a running network is. */
export interface NetworkFile {
  readonly version: 1;
  readonly processes: readonly NetworkProcess[];
  readonly domains: readonly NetworkDomain[];
  readonly directory: {
    readonly urls: readonly string[];
    readonly authorities: readonly string[];
    readonly threshold: number;
  };
  /** The first author's. */
  readonly client: { readonly mailbox: string; readonly home: string };
}

/** Whoever reads the file sees the old or the new content, never a part. */
export async function writeNetworkFile(path: string, network: NetworkFile): Promise<void> {
  const aside = `${path}.new`;
  await writeFile(aside, `${JSON.stringify(network, null, 2)}\n`, { mode: 0o600 });
  await rename(aside, path);
}
