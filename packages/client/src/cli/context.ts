import { type Clock, systemClock } from '@postern/runtime';
import { type Client, createClient } from '../client.ts';
import type { PassphraseSource } from '../keys/index.ts';
import { type ClientPaths, pathsUnder, xdgPaths } from '../paths.ts';
import { consentAtTerminal } from './lookup.ts';
import { askPassword } from './password.ts';
import { type Terminal, write } from './terminal.ts';
import { visible, visibleJson } from './visible.ts';

/** Options that every command takes. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly home?: string;
}

/** What a command runs in. */
export interface Context {
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Aborts at SIGINT and SIGTERM. */
  readonly stop: AbortSignal;
  /** The process's exit code, unless the command throws. */
  exitCode: number;
}

export function createContext(terminal: Terminal, stop: AbortSignal): Context {
  return { terminal, clock: systemClock, stop, exitCode: 0 };
}

export function pathsOf(context: Context, { home }: CommonOptions): ClientPaths {
  return home === undefined ? xdgPaths(context.terminal.env) : pathsUnder(home);
}

/** A client for one command; `await using` closes it. */
export function openClient(context: Context, options: CommonOptions, passphrase?: PassphraseSource): Client {
  return createClient({
    paths: pathsOf(context, options),
    clock: context.clock,
    password: askPassword(context.stop),
    consent: consentAtTerminal(context.stop),
    ...(passphrase === undefined ? {} : { passphrase }),
  });
}

/** The result on standard output: as one line of JSON, or as text for people. */
export function print(
  { terminal }: Context,
  { json }: CommonOptions,
  value: unknown,
  text: string,
): Promise<void> {
  const shown = json === true ? visibleJson(value) : visible(text, { lines: true });
  return shown === ''
    ? Promise.resolve()
    : write(terminal.stdout, shown.endsWith('\n') ? shown : `${shown}\n`);
}

/** Something that the person should know, on standard error: one line, whatever names are in it. */
export function warn({ terminal }: Context, text: string): Promise<void> {
  return write(terminal.stderr, `postern: ${visible(text)}\n`);
}
