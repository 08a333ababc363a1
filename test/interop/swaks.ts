import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint } from '@postern/runtime';
import { haveAsRoot } from './debian.ts';
import { here, type Place } from './place.ts';

export interface SwaksOptions {
  readonly server: Endpoint;
  /** STARTTLS, or TLS from the first octet as on port 465; without, in the clear. */
  readonly tls?: 'starttls' | 'implicit';
  /** Path of the certificate that the server's must be signed by, or be; its name is not looked at. */
  readonly ca?: string;
  readonly login?: {
    readonly user: string;
    readonly password: string;
    readonly mechanism?: 'PLAIN' | 'LOGIN';
  };
  /** Its own address. */
  readonly source?: string;
  /** What it calls itself in EHLO. */
  readonly ehlo?: string;
  /** Return path; empty is the null one. */
  readonly from: string;
  readonly to: string | readonly string[];
  /** As it shall arrive, every line with its CRLF. */
  readonly message: Uint8Array | string;
  readonly place?: Place;
}

export interface SwaksOutcome {
  /** 0 when the message was taken; 24 no recipient, 26 the data refused, 28 no login, 29 no TLS. */
  readonly code: number;
  /** The conversation without the message and the password. */
  readonly transcript: string;
}

export const haveSwaks: boolean = await haveAsRoot('/usr/bin/swaks');

/** Submits a message that is already made, as an author's program would. */
export async function swaks(options: SwaksOptions): Promise<SwaksOutcome> {
  const { server, tls, ca, login, ehlo = 'author.invalid', from, to, message, place = here } = options;
  const folder = await mkdtemp(join(tmpdir(), 'postern-swaks-'));
  try {
    const data = join(folder, 'data');
    await writeFile(data, asSent(message), { mode: 0o600 });
    const args = ['--server', server.host, '--port', String(server.port), '--ehlo', ehlo];
    args.push('--from', from || '<>', '--to', [to].flat().join(','));
    args.push('--data', `@${data}`, '--no-data-fixup', '--suppress-data');
    if (options.source !== undefined) args.push('--local-interface', options.source);
    if (tls !== undefined) args.push(tls === 'implicit' ? '--tls-on-connect' : '--tls');
    if (ca !== undefined) args.push('--tls-verify', '--tls-ca-path', ca);
    if (login !== undefined)
      args.push('--auth', login.mechanism ?? 'PLAIN', '--auth-user', login.user, '--auth-hide-password');
    // Its command line is for everybody to read.
    const env = login === undefined ? {} : { SWAKS_OPT_auth_password: login.password };
    const { code, stdout, stderr } = await place.call('/usr/bin/swaks', args, { env });
    return { code, transcript: stdout.toString() + stderr };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The data as they go over the wire but for the last CRLF, which swaks adds. Left to itself it would also fill in what it takes for its own marks. */
function asSent(message: Uint8Array | string): Buffer {
  const octets = Buffer.from(message as Uint8Array).toString('latin1');
  return Buffer.from(`${octets.replace(/^\./gm, '..')}.`, 'latin1');
}
