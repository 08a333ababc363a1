/** The value of a Content-Type field (RFC 2045 section 5.1). */
export interface MediaType {
  /** `type/subtype` in lower case. */
  readonly type: string;
  readonly parameters: readonly Parameter[];
}

export interface Parameter {
  /** In lower case. */
  readonly name: string;
  /** Without quotes and folds. */
  readonly value: string;
  /** Where it lies in the field's value, from its semicolon to its end. */
  readonly start: number;
  readonly end: number;
}

/** Far beyond what any program writes; the text is a stranger's, and reading it has to cost little. */
export const mostMediaTypeCharacters = 8_192;
export const mostParameters = 32;

/**
 * Undefined for anything that two programs could read differently, broken syntax or one parameter twice, and for more than
 * `mostMediaTypeCharacters` or `mostParameters`.
 */
export function parseMediaType(value: string): MediaType | undefined {
  if (value.length > mostMediaTypeCharacters) return undefined;
  const scan = new Scanner(value);
  const type = scan.token();
  const slash = scan.take('/');
  const subtype = scan.token();
  if (type === undefined || !slash || subtype === undefined) return undefined;
  const parameters: Parameter[] = [];
  const names = new Set<string>();
  for (;;) {
    if (scan.atEnd()) break;
    const start = scan.position;
    if (!scan.take(';')) return undefined;
    if (scan.atEnd() || scan.peek() === ';') continue;
    const name = scan.token()?.toLowerCase();
    const equals = scan.take('=');
    const content = scan.token() ?? scan.quoted();
    if (name === undefined || !equals || content === undefined) return undefined;
    if (names.has(name) || names.size === mostParameters) return undefined;
    names.add(name);
    parameters.push({ name, value: content, start, end: scan.contentEnd });
  }
  return scan.broken ? undefined : { type: `${type}/${subtype}`.toLowerCase(), parameters };
}

export function parameterOf(media: MediaType, name: string): string | undefined {
  return media.parameters.find((parameter) => parameter.name === name)?.value;
}

/** Takes tokens off the front, with the comments and blanks (CFWS) around them. */
class Scanner {
  readonly #text: string;
  #at = 0;
  /** Behind the last token or quoted string, in front of the blanks that follow it. */
  contentEnd = 0;
  /** A comment does not end. */
  broken = false;

  constructor(text: string) {
    this.#text = text;
    this.#skip();
  }

  get position(): number {
    return this.#at;
  }

  atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  peek(): string | undefined {
    return this.#text[this.#at];
  }

  take(character: string): boolean {
    if (this.peek() !== character) return false;
    this.#at++;
    this.#skip();
    return true;
  }

  token(): string | undefined {
    return this.#match(/[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+/y);
  }

  quoted(): string | undefined {
    const quoted = this.#match(/"(?:[^"\\]|\\[\s\S])*"/y);
    return quoted
      ?.slice(1, -1)
      .replaceAll('\r\n', '')
      .replace(/\\([\s\S])/g, '$1');
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.contentEnd = this.#at;
    this.#skip();
    return found;
  }

  #skip(): void {
    for (let depth = 0; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at];
      if (character === '(') depth++;
      else if (character === ')' && depth > 0) depth--;
      else if (character === '\\' && depth > 0) this.#at++;
      else if (depth === 0 && !/[ \t\r\n]/.test(character ?? '')) return;
      this.broken = depth > 0;
    }
  }
}
