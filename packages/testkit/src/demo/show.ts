import type { FactKind } from '../adversary/facts.ts';
import { domainOf, seconds } from '../format.ts';
import { hows } from '../knowledge/evidence.ts';
import type { Cell, Knowledge } from '../knowledge/judge.ts';
import { kinds } from '../knowledge/table.ts';
import type { Event, Outcome } from './run.ts';

/** Styles a stretch of text, or leaves it as it is where nobody would see it. */
export interface Paint {
  good(text: string): string;
  bad(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

export function paintFor(colours: boolean): Paint {
  const style =
    (code: number) =>
    (text: string): string =>
      colours ? `\u001b[${code}m${text}\u001b[0m` : text;
  return { good: style(32), bad: style(31), dim: style(2), bold: style(1) };
}

/** A line for something that happens. */
export function lineOf(event: Event, paint: Paint): string | undefined {
  switch (event.kind) {
    case 'step':
      return `${paint.dim('·')} ${event.text}`;
    case 'progress': {
      const { progress } = event;
      if (progress.kind === 'pause') return `${paint.dim('·')} a first mix does not take packets now`;
      if (progress.kind === 'submitted' || progress.done < progress.of) return undefined;
      return `${paint.dim('·')} ${progress.of} packets of ${(progress.bytes / progress.of).toLocaleString('en')} bytes are built`;
    }
    case 'transfer': {
      const { from, to, bytes } = event.transfer;
      const wire = `${from.padStart(12)} → ${to.padEnd(12)}`;
      return `  ${seconds(event.sinceMs).padStart(7)}  ${wire} ${paint.dim(`${bytes.toLocaleString('en')} bytes`)}`;
    }
  }
}

/** Everything that came of it, for a person. */
export function report(outcome: Outcome, paint: Paint): string {
  const { delivered, intact, elapsedMs, knowledge, deliveredPath, openedPath, recipient } = outcome;
  const lines = [
    '',
    paint.bold('The way'),
    ...outcome.ways.map(({ path, heldMs }, at) => {
      const hops = path.hops.map((name, hop) => `${name} (${seconds(heldMs[hop] ?? 0)})`);
      return `  packet ${at + 1}: ${[domainOf(outcome.author), ...hops, outcome.gateway].join(' → ')}`;
    }),
    `  sizes on all wires: ${sizes(outcome)}`,
    '',
    paint.bold('Who learned what'),
    table(knowledge, paint),
    legend(knowledge, paint),
    '',
    paint.bold('The letter'),
    delivered
      ? `  ${paint.good('delivered')} after ${seconds(elapsedMs)}: ${deliveredPath}`
      : `  ${paint.bad('not delivered')}`,
    intact
      ? `  ${paint.good('intact')}: ${recipient} opened it, the same byte for byte, signed by its author: ${openedPath}`
      : `  ${paint.bad('not intact')}`,
    ...knowledge.violations.map((violation) => paint.bad(`  must not know: ${violation}`)),
    ...knowledge.missed.map((missed) => paint.bad(`  the search is blind: ${missed} was missed`)),
  ];
  return lines.join('\n');
}

function sizes({ wireSizes, ways, packetBytes }: Outcome): string {
  const count = ways.reduce((sum, { transfers }) => sum + transfers.length, 0);
  const shown = wireSizes.map((size) => size.toLocaleString('en')).join(', ');
  return `${shown} bytes, ${count} times (a packet of ${packetBytes.toLocaleString('en')} as a mail)`;
}

const headings: Readonly<Record<FactKind, string>> = {
  'author mailbox': 'author’s mailbox',
  'author domain': 'author’s domain',
  'recipient mailbox': 'recipient’s mailbox',
  'recipient domain': 'recipient’s domain',
  content: 'headers, body',
  'first mix': '1st mix',
  'middle mix': '2nd mix',
  'last mix': '3rd mix',
};

function table({ rows }: Knowledge, paint: Paint): string {
  const widths = kinds.map((kind) => Math.max(headings[kind].length, 8) + 2);
  const head = kinds.map((kind, at) => headings[kind].padEnd(widths[at] ?? 0)).join('');
  const body = rows.map(({ party, cells }) => {
    const shown = kinds.map((kind, at) => {
      const { text, style } = shownCell(cells[kind], paint);
      return style(text.padEnd(widths[at] ?? 0));
    });
    return `  ${party.padEnd(26)}${shown.join('')}`;
  });
  return [`  ${' '.repeat(26)}${head}`, ...body].join('\n');
}

function shownCell(
  { found, ok, may }: Cell,
  paint: Paint,
): { text: string; style: (text: string) => string } {
  if (!ok) return { text: 'YES (!)', style: paint.bad };
  if (found) return { text: 'yes', style: paint.bold };
  return { text: may === 'no' ? 'no' : 'no (may)', style: may === 'no' ? paint.good : paint.dim };
}

/** Names only what was there to be searched. */
function legend({ searched }: Knowledge, paint: Paint): string {
  const { facts, pieces, bytes, by, waited } = searched;
  const seen = hows.filter((how) => by[how].pieces > 0);
  const amounts = seen.map((how) => `${how} ${by[how].pieces} (${size(by[how].bytes)})`);
  const spools =
    waited.length === 0 ? 'no packet was seen waiting' : `packets waited at ${waited.join(', ')}`;
  return paint.dim(
    `  yes: found, and it may know.  no: found nowhere.  no (may): it may know, and nothing of it was found.  YES (!): found, and it must not know.
  1st, 2nd, 3rd mix: whether that mix’s name was found there. The authority and the directory name all mixes to everyone, which says nothing of the path.
  The author’s gateway knows the author because it serves her mail domain; the message does not pass it.
  Searched: ${facts} facts in ${pieces} pieces, ${size(bytes)}: ${amounts.join(', ')};
  ${spools};
  as it is, in base64, hex, quoted-printable, percent, UTF-16, and inside compressed data.`,
  );
}

function size(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
