import { type Field, onlyField } from '../header.ts';

/** A Content-Type (RFC 2045 section 5.1): names in lower case, values as they mean. */
export interface MediaType {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** What the fields say of their body. Undefined when that can be read in two ways, or not at all. */
export function mediaType(fields: readonly Field[]): MediaType | undefined {
  if (!fields.some(({ name }) => name === 'content-type'))
    return { name: 'text/plain', parameters: new Map() };
  const value = onlyField(fields, 'content-type')?.value;
  return value === undefined || value.length > maxValueOctets ? undefined : parse(value);
}

/** Without an encoding to be undone, or with one that changes nothing (RFC 2045 section 6.2). */
export function isPlainlyEncoded(fields: readonly Field[]): boolean {
  const named = fields.filter(({ name }) => name === 'content-transfer-encoding');
  return named.length === 0 || (named.length === 1 && /^(?:7bit|8bit|binary)$/i.test(named[0]?.value ?? ''));
}

function parse(value: string): MediaType | undefined {
  const [start = '', name] = new RegExp(`^(${token}/${token})[ \\t]*`).exec(value) ?? [];
  if (name === undefined) return undefined;
  const parameters = new Map<string, string>();
  let rest = value.slice(start.length);
  while (rest !== '' && !/^;[ \t]*$/.test(rest)) {
    const [whole, attribute = '', quoted, plain = ''] = parameter.exec(rest) ?? [];
    if (whole === undefined || parameters.has(attribute.toLowerCase())) return undefined;
    parameters.set(attribute.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain);
    rest = rest.slice(whole.length);
  }
  return { name: name.toLowerCase(), parameters };
}

/** A long one is no mail program's; the loop above is quadratic in it. */
const maxValueOctets = 1_000;

const token = "[!#$%&'*+.^_`{|}~0-9A-Za-z-]+";
const parameter = new RegExp(
  `^;[ \\t]*(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))[ \\t]*`,
);
