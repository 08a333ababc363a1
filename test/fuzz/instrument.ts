import { parseSync } from 'oxc-parser';

/** A source text that counts where it comes through, in the global array `counters`. */
export interface Instrumented {
  readonly text: string;
  /** How many counters it has, from `from` on. */
  readonly count: number;
  /** String literals of the code: what inputs are compared with stands among them. */
  readonly literals: readonly string[];
}

/** Name of the global array that instrumented code counts in. */
export const countersName = '__posternCounters';

/**
 * Puts a counter at each place that control can go to from a fork: functions, branches taken and not taken, cases, loops, handlers, both sides of
 * `?:`, the right side of `&&`, `||` and `??`. TypeScript stays TypeScript, and every line keeps its number.
 */
export function instrument(path: string, source: string, from: number): Instrumented {
  const { program, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);
  const writer = new Writer(from);
  visit(program as unknown as Node, writer);
  return { text: writer.apply(source), count: writer.count, literals: [...writer.literals] };
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

class Writer {
  readonly #inserts: { at: number; text: string }[] = [];
  readonly #from: number;
  readonly literals = new Set<string>();
  count = 0;

  constructor(from: number) {
    this.#from = from;
  }

  insert(at: number, text: string): void {
    this.#inserts.push({ at, text });
  }

  /** An expression that counts. */
  counter(): string {
    return `${countersName}[${this.#from + this.count++}]++`;
  }

  /** What was inserted first at one place stands first there. */
  apply(source: string): string {
    const pieces: string[] = [];
    let at = 0;
    for (const insert of this.#inserts.toSorted((one, other) => one.at - other.at)) {
      pieces.push(source.slice(at, insert.at), insert.text);
      at = insert.at;
    }
    return pieces.join('') + source.slice(at);
  }
}

function visit(node: Node, writer: Writer): void {
  const close = open(node, writer);
  for (const [key, value] of Object.entries(node)) {
    if (key === 'parent') continue;
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child, writer);
  }
  close();
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** Writes in front of the node's children; what comes behind them is returned. */
function open(node: Node, writer: Writer): () => void {
  const none = (): void => {};
  switch (node.type) {
    case 'Literal':
      if (typeof node.value === 'string' && node.value.length >= 2 && node.value.length <= longestLiteral)
        writer.literals.add(node.value);
      return none;
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'CatchClause':
      if (isNode(node.body)) beginBlock(node.body, writer);
      return none;
    case 'ArrowFunctionExpression':
      return node.expression === true
        ? wrapExpression(node.body as Node, writer)
        : openBlock(node.body, writer);
    case 'IfStatement':
      return openIf(node, writer);
    case 'WhileStatement':
    case 'DoWhileStatement':
    case 'ForStatement':
    case 'ForInStatement':
    case 'ForOfStatement':
      return wrapStatement(node.body as Node, writer);
    case 'SwitchCase': {
      const [first] = node.consequent as Node[];
      writer.insert(first?.start ?? node.end, ` ${writer.counter()};`);
      return none;
    }
    case 'ConditionalExpression': {
      const closeFirst = wrapExpression(node.consequent as Node, writer);
      const closeSecond = wrapExpression(node.alternate as Node, writer);
      return () => {
        closeFirst();
        closeSecond();
      };
    }
    case 'LogicalExpression':
      return wrapExpression(node.right as Node, writer);
    default:
      return none;
  }
}

function openIf(node: Node, writer: Writer): () => void {
  const closeTaken = wrapStatement(node.consequent as Node, writer);
  const closeOther = isNode(node.alternate) ? wrapStatement(node.alternate, writer) : undefined;
  return () => {
    closeTaken();
    if (closeOther === undefined) writer.insert(node.end, ` else {${writer.counter()};}`);
    else closeOther();
  };
}

function wrapExpression(node: Node, writer: Writer): () => void {
  writer.insert(node.start, `(${writer.counter()}, `);
  return () => writer.insert(node.end, ')');
}

function wrapStatement(node: Node, writer: Writer): () => void {
  if (node.type === 'BlockStatement') return openBlock(node, writer);
  writer.insert(node.start, `{${writer.counter()}; `);
  return () => writer.insert(node.end, '}');
}

function openBlock(node: unknown, writer: Writer): () => void {
  beginBlock(node as Node, writer);
  return () => {};
}

/** Behind directives, which count only in front. */
function beginBlock(node: Node, writer: Writer): void {
  const directives = (node.body as Node[]).filter((statement) => typeof statement.directive === 'string');
  writer.insert(directives.at(-1)?.end ?? node.start + 1, `; ${writer.counter()};`);
}

const longestLiteral = 40;
