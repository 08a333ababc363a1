import { visible } from './visible.ts';

/** Rows of text, their columns aligned. A cell never breaks its row. */
export function table(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map((cell) => visible(cell)));
  const widths = rows.reduce<number[]>(
    (before, row) => row.map((cell, column) => Math.max(cell.length, before[column] ?? 0)),
    [],
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Of `all` so many are envelopes of direct mode: `3 packets`, `1 envelope`, `2 packets and 1 envelope`. */
export function countUnits(all: number, envelopes = 0): string {
  const packets = all - envelopes;
  if (envelopes === 0) return count(packets, 'packet');
  return [...(packets === 0 ? [] : [count(packets, 'packet')]), count(envelopes, 'envelope')].join(' and ');
}

/** `1 packet`, `2 packets`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
