import { isDomain } from '../address.ts';

/** An MTA-STS policy (RFC 8461 section 3.2). */
export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none';
  /** Host names, or `*.` and a domain. */
  readonly mx: readonly string[];
  /** Seconds. */
  readonly maxAge: number;
}

/** The id of the one record that announces a policy (RFC 8461 section 3.1). Nothing if there is none, or two. */
export function policyId(records: readonly string[]): string | undefined {
  const announced = records.filter((text) => /^v=STSv1[ \t]*(?:;|$)/.test(text));
  const [text, ...more] = announced;
  if (text === undefined || more.length > 0) return undefined;
  const fields = text.split(';').map((field) => field.trim());
  return fields.map((field) => /^id=([A-Za-z0-9]{1,32})$/.exec(field)?.[1]).find((id) => id !== undefined);
}

/** Reads a policy. Of a field that may stand once the first counts; fields that nobody knows are passed over. */
export function readPolicy(text: string): StsPolicy | undefined {
  const fields = new Map<string, string>();
  const mx: string[] = [];
  for (const line of text.split(/\r?\n/).filter((each) => each.trim() !== '')) {
    const [before, key] = name.exec(line) ?? [];
    if (before === undefined || key === undefined) return undefined;
    const value = withoutBlanks(line.slice(before.length));
    if (/\p{Cc}/u.test(value)) return undefined;
    if (key === 'mx') mx.push(value.toLowerCase());
    else if (!fields.has(key)) fields.set(key, value);
  }
  const mode = modes.find((each) => each === fields.get('mode'));
  const maxAge = /^\d{1,10}$/.test(fields.get('max_age') ?? '') ? Number(fields.get('max_age')) : undefined;
  if (fields.get('version') !== 'STSv1' || mode === undefined || maxAge === undefined) return undefined;
  if (maxAge > longestAge || !mx.every((pattern) => isDomain(pattern.replace(/^\*\./, '')))) return undefined;
  if (mx.length > mostPatterns || (mode !== 'none' && mx.length === 0)) return undefined;
  return { mode, mx, maxAge };
}

/** Whether the policy names the host; `*` stands for exactly one label (RFC 8461 section 4.1). */
export function matchesMx(host: string, { mx }: StsPolicy): boolean {
  const parent = host.slice(host.indexOf('.') + 1);
  return mx.some((pattern) =>
    pattern.startsWith('*.') ? host.includes('.') && pattern.slice(2) === parent : pattern === host,
  );
}

const modes = ['enforce', 'testing', 'none'] as const;
/** A domain with more servers than that names them by `*`. */
const mostPatterns = 100;
/** A year, in seconds. */
const longestAge = 31_557_600;
const name = /^[ \t]*([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:/;

/** By hand: an expression for blanks at the end looks at each run of them anew from each of its places. */
function withoutBlanks(text: string): string {
  const isBlank = (at: number): boolean => text[at] === ' ' || text[at] === '\t';
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(start)) start += 1;
  while (start < end && isBlank(end - 1)) end -= 1;
  return text.slice(start, end);
}
