import { parseSync } from 'oxc-parser';
import { files, read } from './tree.ts';

/** What a test or a group of tests is called, and where. */
export interface Title {
  readonly file: string;
  readonly title: string;
}

/** Titles of all `describe` and `test`, those of shared suites as well, as they are written: `%s` for what a table puts in. */
export function allTitles(): Title[] {
  return files('packages/**/*.ts', 'test/**/*.ts')
    .map((file) => ({ file, text: read(file) }))
    .filter(({ text }) => text.includes("from 'vitest'"))
    .flatMap(({ file, text }) => titlesIn(file, text).map((title) => ({ file, title })));
}

/** Also that of `test.each(…)('title', …)`, of whatever is called before the title. */
export function titlesIn(path: string, text: string): string[] {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);
  const titles: string[] = [];
  visit(program, (node) => {
    const title = node.type === 'CallExpression' && callsTests(node) ? textOf(node.arguments) : undefined;
    if (title !== undefined) titles.push(title);
  });
  return titles;
}

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

function visit(value: unknown, see: (node: Node) => void): void {
  if (Array.isArray(value)) for (const each of value) visit(each, see);
  else if (isNode(value)) {
    see(value);
    for (const each of Object.values(value)) visit(each, see);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** Whether the call is one of `describe` or `test`, by whatever way from there. */
function callsTests(call: Node): boolean {
  let from = call.callee;
  while (isNode(from) && from.type !== 'Identifier')
    from = from.type === 'CallExpression' ? from.callee : from.object;
  return isNode(from) && (from.name === 'describe' || from.name === 'test');
}

function textOf(given: unknown): string | undefined {
  const [first] = Array.isArray(given) ? (given as unknown[]) : [];
  if (!isNode(first)) return undefined;
  if (first.type === 'Literal') return typeof first.value === 'string' ? first.value : undefined;
  if (first.type !== 'TemplateLiteral') return undefined;
  const parts = first.quasis as readonly { readonly value: { readonly cooked: string } }[];
  return parts.map(({ value }) => value.cooked).join('…');
}
