// Tables and numbers as a terminal shows them.

/** Thousands apart, whatever the language of the machine. */
export function thousands(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ',');
}

/**
 * Columns as wide as their widest cell, under a heading and a rule; no blanks at a line's end.
 * @param sides a letter for each column: `l` or `r`
 */
export function columns(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  sides: string,
): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `${cells
      .map((cell, i) => (sides[i] === 'l' ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd()}\n`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [head, rule, ...rows].map(line).join('');
}
