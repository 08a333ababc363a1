/** MAIL or RCPT as it was sent. `address` is what stands between the angle brackets, not yet judged. */
export interface AddressCommand {
  readonly address: string;
  readonly args: Record<string, string | true> | false;
  /** A parameter that was given twice. */
  readonly duplicate?: string;
}

/**
 * Reads `MAIL FROM:<…>` and `RCPT TO:<…>` with their parameters (RFC 5321 section 4.1.1). smtp-server's own reading
 * drops source routes and turns A-labels into Unicode, so that the address that is judged would not be the one that
 * was sent.
 */
export function readAddressCommand(name: string, line: string): AddressCommand | false {
  const prefix = `${name.toUpperCase()}:<`;
  if (line.slice(0, prefix.length).toUpperCase() !== prefix) return false;
  const { address, rest } = path.exec(line.slice(prefix.length))?.groups ?? {};
  if (address === undefined || rest === undefined) return false;
  const args: Record<string, string | true> = {};
  let duplicate: string | undefined;
  for (const text of rest === '' ? [] : rest.slice(1).split(' ')) {
    const { keyword, value } = parameter.exec(text)?.groups ?? {};
    if (keyword === undefined) return false;
    const key = keyword.toUpperCase();
    if (Object.hasOwn(args, key)) duplicate = key;
    args[key] = value ?? true;
  }
  return { address, args, ...(duplicate === undefined ? {} : { duplicate }) };
}

/**
 * The same of MAIL from a client that hands on what others sent: whatever stands where the return path is, is one. It does
 * not matter what size was announced, nor whether anything in it is UTF-8.
 */
export function readHandedOn(name: string, line: string): AddressCommand {
  const read = readAddressCommand(name, line);
  if (read === false) return { address: line.slice(name.length + 1), args: {} };
  const { SIZE: _size, SMTPUTF8: _utf8, ...args } = read.args === false ? {} : read.args;
  return { ...read, args };
}

/** What a line holds that no command may: octets outside printable ASCII. */
export type LineFault = 'control' | 'eight-bit';

/** RFC 5321 section 2.4. */
export function lineFault(line: Buffer): LineFault | undefined {
  let fault: LineFault | undefined;
  for (const octet of line) {
    if (octet < 0x20 || octet === 0x7f) return 'control';
    if (octet > 0x7f) fault = 'eight-bit';
  }
  return fault;
}

/** The first word of a line, in upper case. */
export function verb(line: Buffer): string {
  return (/^[A-Za-z]*/.exec(line.toString('latin1', 0, 16))?.[0] ?? '').toUpperCase();
}

/** A quoted local part may hold brackets and spaces: such a path is read whole, to be refused as what it is. */
const path = /^(?<address>(?:"[^"]*"@[^<> ]*)|[^<> "]*)>(?<rest>(?: .*)?)$/;
/** RFC 5321 section 4.1.2, esmtp-param. */
const parameter = /^(?<keyword>[A-Za-z0-9][A-Za-z0-9-]*)(?:=(?<value>[\x21-\x3c\x3e-\x7e]+))?$/;
