// Columns of text as the commands print them: for a terminal cut to its width, for another program whole.
import Table from 'cli-table3';
import type { Io } from '../io.ts';

const NO_LINES = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((place) => [place, '']),
);

const COLUMNS_MIN = 20;

/** Lines that end where the terminal does, with a mark where something is missing. */
export function fitted(text: string, io: { readonly terminal?: { readonly columns: number } }): string {
  if (!io.terminal) return text;
  const columns = Math.max(io.terminal.columns, COLUMNS_MIN);
  return text
    .split('\n')
    .map((line) => (line.length <= columns ? line : `${line.slice(0, columns - 1)}…`))
    .join('\n');
}

/** @param head in capitals; a cell that is a number stands to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  io: Pick<Io, 'terminal'>,
): string {
  const aligned = head.map((_, i) => (rows.some((row) => typeof row[i] === 'number') ? 'right' : 'left'));
  const made = new Table({
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    colAligns: aligned as ('left' | 'right')[],
  });
  made.push([...head], ...rows.map((row) => [...row]));
  const lines = made.toString().split('\n');
  return `${fitted(lines.map((line) => line.trimEnd()).join('\n'), io)}\n`;
}

/** `12345678` as `12.3M`. */
export function short(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T', 'P'];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  if (unit === 0) return Number.isInteger(scaled) ? String(scaled) : scaled.toFixed(1);
  return `${scaled.toFixed(Math.abs(scaled) < 10 ? 2 : Math.abs(scaled) < 100 ? 1 : 0)}${units[unit]}`;
}
