import { readFile } from 'node:fs/promises';
import { parse as parseTomlText, TomlError } from 'smol-toml';
import { z } from 'zod';
import { ConfigError, ExitCode, type Mistake } from './errors.ts';
import { isDenied, isMissing, whyUnreadable } from './unreadable.ts';

/** What to do about a file that is not there, or that one may not read. */
export interface ReadHints {
  readonly ifMissing?: string;
  readonly ifDenied?: string;
}

/** Reads a TOML 1.0 file into plain data. Throws `ConfigError` when it cannot be read or is no TOML, with exit code 77 when one may not read it. */
export async function readToml(path: string, { ifMissing, ifDenied }: ReadHints = {}): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const denied = isDenied(cause);
    const hint = denied ? ifDenied : isMissing(cause) ? ifMissing : undefined;
    throw new ConfigError(path, [{ path: '', message: `cannot be read: ${whyUnreadable(cause)}` }], {
      cause,
      ...(hint === undefined ? {} : { hint }),
      ...(denied ? { exitCode: ExitCode.noPermission } : {}),
    });
  }
  return parseToml(text, path);
}

/** TOML 1.0 as plain data. Throws `ConfigError` when it is none; `source` names it in the message. */
export function parseToml(text: string, source: string): unknown {
  try {
    return parseTomlText(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const what = cause.message.split('\n')[0] ?? 'no TOML';
    throw new ConfigError(source, [{ path: `line ${cause.line}, column ${cause.column}`, message: what }], {
      cause,
    });
  }
}

/**
 * Data into a configuration, strictly: what the schema does not name is a mistake. Throws `ConfigError` with every
 * mistake and its path. `source` names the file in the message.
 */
export function parseConfig<T>(schema: z.ZodType<T>, input: unknown, source: string): T {
  const result = schema.safeParse(input, { reportInput: true });
  if (result.success) return result.data;
  throw new ConfigError(source, result.error.issues.flatMap(mistakesOf));
}

/** What holds by itself of the parts of a section: nothing in place of a part that does not, or of an element of a list. */
export type Holding<T> = {
  readonly [K in keyof T]?:
    | (Exclude<T[K], undefined> extends readonly (infer E)[] ? readonly (E | undefined)[] : T[K])
    | undefined;
};

/** What parts of a section have to do with each other. */
export interface Together {
  say(path: readonly (string | number)[], message: string): void;
  /** Whether a part is there and does not hold, or not all of it. */
  isWrong(part: string): boolean;
  /** Whether a part is there, whether or not it holds. */
  isThere(part: string): boolean;
}

/**
 * A section whose parts are checked against each other as far as they hold by themselves: so all mistakes are told at once, whichever of them there
 * are.
 */
export function checkedTogether<S extends z.ZodObject>(
  section: S,
  check: (parts: Holding<z.output<S>>, together: Together) => void,
): S {
  return section.superRefine(
    (value, context) => {
      const wrong = context.issues.map(({ path = [] }) => path);
      const parts: Readonly<Record<string, unknown>> = holdingIn(value, wrong);
      const isWrong = (part: string): boolean => wrong.some(([first]) => first === part);
      check(parts as Holding<z.output<S>>, {
        say: (path, message) => context.addIssue({ code: 'custom', path: [...path], message }),
        isWrong,
        isThere: (part) => parts[part] !== undefined || isWrong(part),
      });
    },
    { when: ({ value, issues }) => isSection(value) && issues.every(isOfParts) },
  );
}

function holdingIn(
  value: object,
  wrong: readonly (readonly PropertyKey[])[],
): Readonly<Record<string, unknown>> {
  const parts = Object.entries(value).map(([name, part]: [string, unknown]) => {
    const within = wrong.filter(([first]) => first === name).map(([, second]) => second);
    if (within.length === 0) return [name, part];
    const isList = Array.isArray(part) && within.every((at) => typeof at === 'number');
    return [
      name,
      isList ? part.map((one: unknown, at) => (within.includes(at) ? undefined : one)) : undefined,
    ];
  });
  return Object.fromEntries(parts) as Record<string, unknown>;
}

function isSection(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Keys that are unknown keep nobody from looking at the others. */
function isOfParts({ path = [], code }: z.core.$ZodRawIssue): boolean {
  return path.length > 0 || code === 'unrecognized_keys';
}

function mistakesOf(issue: z.core.$ZodIssue): Mistake[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: path === '' ? key : `${path}.${key}`,
      message: 'is no known key; remove it or correct its spelling',
    }));
  }
  return [{ path, message: inWords(issue) }];
}

/** Schemas that say nothing themselves have zod's messages, which tell of types and not of what to write. */
function inWords(issue: z.core.$ZodIssue): string {
  const { message, input } = issue;
  if (!/^(?:Invalid|Too small|Too big)\b/.test(message)) return message;
  const missing = input === undefined;
  if (issue.code === 'invalid_type') {
    const form = forms[issue.expected] ?? issue.expected;
    return `is ${missing ? 'missing' : 'something else'}; write ${form}`;
  }
  if (issue.code === 'invalid_value') {
    const values = issue.values.map((value) => JSON.stringify(value)).join(' or ');
    return `is ${missing ? 'missing' : 'none of what there is'}; write ${values}`;
  }
  if (issue.code === 'too_small')
    return ['string', 'array'].includes(issue.origin)
      ? 'is empty; write something there, or leave it out'
      : `is too small; write ${String(issue.minimum)} or more`;
  if (issue.code === 'too_big')
    return issue.origin === 'string'
      ? `is too long; write ${String(issue.maximum)} characters at most`
      : `is too much; at most ${String(issue.maximum)}`;
  return message;
}

const forms: Readonly<Record<string, string>> = {
  string: 'a text in quotes',
  number: 'a number, without quotes',
  int: 'a whole number, without quotes',
  boolean: 'true or false, without quotes',
  array: 'a list, in brackets',
  object: 'a section of that name, in brackets on a line of its own',
};

const milliseconds: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `200ms`, `5s`, `10m`, `3h`, `2d` → milliseconds. */
export const duration: z.ZodType<number, string> = z.string().transform((text, context) => {
  const [, digits, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const scale = unit === undefined ? undefined : milliseconds[unit];
  if (digits === undefined || scale === undefined) {
    context.addIssue({
      code: 'custom',
      message: 'is no duration; write for example "200ms", "5s", "3h" or "2d"',
    });
    return z.NEVER;
  }
  return Number(digits) * scale;
});

/** A TCP endpoint. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[v6]:port` → endpoint. Port 0 stands for any free one. */
export const endpoint: z.ZodType<Endpoint, string> = z.string().transform((text, context) => {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    context.addIssue({ code: 'custom', message: 'is no endpoint; write "host:port" or "[ipv6]:port"' });
    return z.NEVER;
  }
  return { host, port };
});

/** Endpoint → text, the inverse of `endpoint`. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A unix socket. */
export interface SocketPath {
  readonly path: string;
}

const unixSocket = z
  .templateLiteral(['unix:/', z.string()])
  .transform((text): SocketPath => ({ path: text.slice('unix:'.length) }));

/** `host:port` or `unix:/path`, the path absolute. `what` names it in the message: `LMTP address`. */
export function endpointOrSocket(what: string): z.ZodType<Endpoint | SocketPath, string> {
  return z.string().transform((text, context) => {
    const parsed = text.startsWith('unix:') ? unixSocket.safeParse(text) : endpoint.safeParse(text);
    if (parsed.success) return parsed.data;
    context.addIssue({ code: 'custom', message: `is no ${what}; write "host:port" or "unix:/path"` });
    return z.NEVER;
  });
}

const bytes: Readonly<Record<string, number>> = { B: 1, kB: 1_000, MB: 1_000_000, GB: 1_000_000_000 };

/** `512B`, `64kB`, `25MB`, `1GB` (powers of ten) → bytes. */
export const size: z.ZodType<number, string> = z.string().transform((text, context) => {
  const [, digits, unit] = /^(\d{1,9})(B|kB|MB|GB)$/.exec(text) ?? [];
  const scale = unit === undefined ? undefined : bytes[unit];
  if (digits === undefined || scale === undefined) {
    context.addIssue({ code: 'custom', message: 'is no size; write for example "64kB" or "25MB"' });
    return z.NEVER;
  }
  return Number(digits) * scale;
});

// spec packet 5.2
/** A domain name in its one spelling: lower-case LDH labels, the last not all digits, 253 octets at most. */
export const domainName: z.ZodType<string, string> = z
  .string()
  .max(253)
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    'is no domain name; write it in lower case, without a final dot or a number at the end, for example "mix1.example"',
  );
