import type { FactKind } from '../adversary/facts.ts';
import type { Outcome } from '../demo/run.ts';
import { domainOf, seconds } from '../format.ts';
import type { Party } from '../knowledge/table.ts';
import { element, escapeXml, text } from './svg.ts';

const width = 1180;
const height = 640;
/** Centres of the six columns: author, three layers, gateway, recipient. */
const columns = [110, 318, 510, 702, 894, 1082] as const;
const middle = 232;
const rowPitch = 92;
const box = { width: 148, height: 50 };

/** A picture of one journey, from what a run of the demo has measured. It brings its own colours for light and for dark. */
export function drawJourney(outcome: Outcome): string {
  const { author, recipient, ways, wireSizes, elapsedMs } = outcome;
  const bytes = wireSizes.map((size) => size.toLocaleString('en')).join(' and ');
  const title = `A letter from ${author} to ${recipient}`;
  const subtitle = `${ways.length} packets, each on a path of its own · ${bytes} bytes on every wire · delivered after ${seconds(elapsedMs)}`;
  const stops = placesOf(outcome);
  return `${element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: 'img',
      'aria-labelledby': 'title description',
    },
    element('title', { id: 'title' }, escapeXml(title)),
    element('desc', { id: 'description' }, escapeXml(describe(outcome))),
    `<style>${css}</style>`,
    element('rect', { class: 'paper', x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 14 }),
    text(40, 48, title, 'title', 'start'),
    text(40, 74, subtitle, 'subtitle', 'start'),
    ...headings.map((heading, at) => text(columns[at] ?? 0, 122, heading, 'heading')),
    ...ways.map((_, packet) => drawWay(outcome, packet, stops)),
    element('path', { class: 'joined', d: `M${columns[4]} ${middle} H${columns[5]}` }),
    ...[...stops.values()].map((stop) => drawStop(stop, outcome)),
    text(width / 2, 340, explanation, 'note'),
    drawKnowledge(outcome),
  )}\n`;
}

const explanation =
  'Times: how long a mix held the packet of that colour. The author drew them, and nobody else can tell which packet is which.';

const headings = ['AUTHOR', 'FIRST MIX', 'MIDDLE MIX', 'LAST MIX', 'GATEWAY', 'RECIPIENT'] as const;

interface Stop {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  /** Which hop of a path; `undefined` for an end. */
  readonly hop: number | undefined;
}

function placesOf({ author, recipient, layers, gateway }: Outcome): Map<string, Stop> {
  const ends = [author, gateway, recipient].map((name, at): Stop => {
    return { name, x: columns[at === 0 ? 0 : at + 3] ?? 0, y: middle, hop: undefined };
  });
  const mixes = layers.flatMap((names, hop) =>
    names.map((name, row): Stop => {
      const y = middle + (row - (names.length - 1) / 2) * rowPitch;
      return { name, x: columns[hop + 1] ?? 0, y, hop };
    }),
  );
  return new Map([...ends, ...mixes].map((stop) => [stop.name, stop]));
}

/** One packet's way as a smooth line; packets on one wire run beside each other. */
function drawWay({ author, gateway, ways }: Outcome, packet: number, stops: Map<string, Stop>): string {
  const way = ways[packet];
  if (way === undefined) return '';
  const aside = (packet - (ways.length - 1) / 2) * 7;
  const points = [author, ...way.path.hops, gateway].map((name) => {
    const { x = 0, y = 0 } = stops.get(name) ?? {};
    return { x, y: y + aside };
  });
  const line = points.map(({ x, y }, at) => {
    const before = points[at - 1];
    if (before === undefined) return `M${x} ${y}`;
    const bend = (x - before.x) / 2;
    return `C${before.x + bend} ${before.y} ${x - bend} ${y} ${x} ${y}`;
  });
  return element('path', { class: `way packet${packet % 4}`, d: line.join(' ') });
}

function drawStop({ name, x, y, hop }: Stop, { ways }: Outcome): string {
  const here =
    hop === undefined
      ? []
      : ways.map(({ path }, packet) => ({ path, packet })).filter(({ path }) => path.hops[hop] === name);
  const idle = hop !== undefined && here.length === 0;
  const left = x - box.width / 2;
  const top = y - box.height / 2;
  const shape = element('rect', { class: idle ? 'stop idle' : 'stop', x: left, y: top, ...box, rx: 10 });
  if (here.length === 0) return shape + text(x, y + 5, name, idle ? 'name dim' : 'name');
  const pitch = Math.min(58, (box.width - 10) / here.length);
  const times = here.map(({ packet }, at) => {
    const centre = x + (at - (here.length - 1) / 2) * pitch;
    const held = ways[packet]?.heldMs[hop ?? 0] ?? 0;
    return text(centre, y + 15, seconds(held), `time packet${packet % 4}`);
  });
  return shape + text(x, y - 4, name, 'name') + times.join('');
}

const shownKinds: readonly (readonly [FactKind, string])[] = [
  ['author mailbox', 'author’s mailbox'],
  ['author domain', 'author’s domain'],
  ['recipient mailbox', 'recipient’s mailbox'],
  ['recipient domain', 'recipient’s domain'],
  ['content', 'headers and body'],
];

const shownParties: readonly Party[] = [
  'author',
  'first mix',
  'middle mix',
  'last mix',
  "recipient's gateway",
  'recipient',
];

/** What each party turned out to have, below its column. */
function drawKnowledge({ knowledge, author, recipient }: Outcome): string {
  const top = 428;
  const pitch = 34;
  const values: readonly string[] = [author, domainOf(author), recipient, domainOf(recipient), ''];
  const rows = shownKinds.map(([kind, label], row) => {
    const y = top + row * pitch;
    const band =
      row % 2 === 0
        ? element('rect', { class: 'band', x: 24, y: y - 22, width: width - 48, height: pitch, rx: 6 })
        : '';
    const cells = shownParties.map((party, at) => {
      const cell = knowledge.rows.find((one) => one.party === party)?.cells[kind];
      const style = cell?.ok === false ? 'breach' : cell?.found === true ? 'knows' : 'ignorant';
      const x = columns[at] ?? 0;
      return element('circle', { class: style, cx: x, cy: y - 5, r: style === 'ignorant' ? 4 : 7 });
    });
    const value = values[row] ?? '';
    return band + cells.join('') + caption(y, label, value);
  });
  const { facts, pieces, bytes } = knowledge.searched;
  const note = `Found by searching ${pieces} pieces (${(bytes / 1e6).toFixed(1)} MB: disks, logs, metrics, wires) for ${facts} facts in every usual encoding.`;
  return (
    text(40, 386, 'What each of them got to know', 'section', 'start') +
    rows.join('') +
    element('circle', { class: 'knows', cx: 46, cy: 611, r: 6 }) +
    text(60, 616, 'found', 'note', 'start') +
    element('circle', { class: 'ignorant', cx: 118, cy: 611, r: 4 }) +
    text(130, 616, 'found nowhere', 'note', 'start') +
    text(width - 40, 616, note, 'note', 'end')
  );
}

/** Between the author's column and the first mix's, where there is room. */
function caption(y: number, label: string, value: string): string {
  return (
    text(214, y - (value === '' ? 0 : 5), label, 'fact') +
    (value === '' ? '' : text(214, y + 8, value, 'value'))
  );
}

function describe({ author, recipient, ways, gateway }: Outcome): string {
  const paths = ways.map(({ path }) => [author, ...path.hops, gateway, recipient].join(' to '));
  return `The packets went: ${paths.join('; ')}.`;
}

const light = {
  paper: '#ffffff',
  edge: '#d0d7de',
  ink: '#1f2328',
  dim: '#59636e',
  band: '#f6f8fa',
  stop: '#f6f8fa',
  faint: '#c4ccd4',
  packets: ['#0b6bcb', '#b35900', '#1a7f37', '#8250df'],
};
const dark = {
  paper: '#0d1117',
  edge: '#30363d',
  ink: '#e6edf3',
  dim: '#9198a1',
  band: '#151b23',
  stop: '#161c24',
  faint: '#4a525c',
  packets: ['#58a6ff', '#f0983a', '#4ac26b', '#bc8cff'],
};

const css = `
${colours(light)}
@media (prefers-color-scheme: dark) {${colours(dark)}}
text { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
.title { font-size: 24px; font-weight: 650; }
.subtitle { font-size: 15px; }
.section { font-size: 17px; font-weight: 600; }
.heading { font-size: 12px; font-weight: 600; letter-spacing: 1.2px; }
.name { font-size: 14px; font-weight: 600; }
.time { font-size: 12px; font-weight: 600; font-variant-numeric: tabular-nums; }
.fact { font-size: 12.5px; }
.value { font-size: 11px; }
.note { font-size: 12px; }
.way { fill: none; stroke-width: 3; stroke-linecap: round; stroke-opacity: 0.85; }
.joined { fill: none; stroke-width: 3; }
.ignorant { fill: none; stroke-width: 1.6; }
`;

function colours({ paper, edge, ink, dim, band, stop, faint, packets }: typeof light): string {
  const own = packets.map(
    (colour, at) => `.way.packet${at} { stroke: ${colour}; } .time.packet${at} { fill: ${colour}; }`,
  );
  return `
.paper { fill: ${paper}; stroke: ${edge}; }
.title, .section, .name, .fact { fill: ${ink}; }
.subtitle, .heading, .note, .value, .name.dim { fill: ${dim}; }
.band { fill: ${band}; }
.stop { fill: ${stop}; stroke: ${faint}; stroke-width: 1.4; }
.stop.idle { fill: ${paper}; stroke-dasharray: 4 4; }
.joined { stroke: ${dim}; }
.knows { fill: ${packets[0]}; }
.breach { fill: #d1242f; }
.ignorant { stroke: ${faint}; }
${own.join('\n')}
`;
}
