import { readFile } from 'node:fs/promises';

/** Commands of a page, and what it says that they print. */
export interface Block {
  /** The heading above. */
  readonly section: string;
  readonly commands: string;
  /** Lines that stand there among others, in this order; an ellipsis is any text. */
  readonly prints: readonly string[];
}

/** What a page in `docs/` has its reader type: its blocks `sh`, and the blocks `text` that follow one directly. */
export async function readBlocks(path: string): Promise<Block[]> {
  const page = await readFile(new URL(`../../../docs/${path}`, import.meta.url), 'utf8');
  const found = page.matchAll(
    /^## (?<section>.+)$|^```sh\n(?<commands>[\s\S]*?)^```\n(?:\n```text\n(?<prints>[\s\S]*?)^```$)?/gm,
  );
  const blocks: Block[] = [];
  let section = '';
  for (const { groups = {} } of found) {
    if (groups.section !== undefined) section = groups.section;
    else
      blocks.push({
        section,
        commands: groups.commands ?? '',
        prints: groups.prints?.trimEnd().split('\n') ?? [],
      });
  }
  return blocks;
}

/** The first promised line that is not among what was printed. */
export function missingLine({ prints }: Block, printed: string): string | undefined {
  let rest = printed.split('\n');
  for (const line of prints) {
    const parts = line.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    const pattern = new RegExp(`^${parts.join('.*')}$`);
    const at = rest.findIndex((each) => pattern.test(each.trimEnd()));
    if (at < 0) return line;
    rest = rest.slice(at + 1);
  }
  return undefined;
}
