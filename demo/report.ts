// What the demonstration prints: a line per path while it runs, then the table.
import type { PathResult } from './measure.ts';
import type { Path } from './paths.ts';

export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** On a terminal a path has one line that changes; elsewhere it has a line when it starts and one when it ends. */
export class Progress {
  readonly #screen: Screen;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  say(text: string): void {
    this.#screen.write(`${text}\n`);
  }

  start(path: Path): void {
    this.#line(`${path.name} ...`, false);
  }

  update(path: Path, packets: number, seconds: number): void {
    if (this.#screen.isTTY !== true) return;
    this.#line(`${path.name}: ${count(packets)} packets in ${seconds.toFixed(1)} s`, false);
  }

  done(result: PathResult): void {
    this.#line(`${result.name}: ${count(result.packets)} packets, ${result.mpps.toFixed(2)} Mpps`, true);
  }

  #line(text: string, last: boolean): void {
    if (this.#screen.isTTY === true) this.#screen.write(`\r\x1b[K${text}${last ? '\n' : ''}`);
    else this.#screen.write(`${text}\n`);
  }
}

/** Thousands apart, whatever the language of the machine. */
export function count(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ',');
}

const HEADER = ['path', 'Mpps', 'packets', 'lost', 'corrupt', 'kicks', 'interrupts'];

export function table(results: readonly PathResult[], paths: readonly Path[]): string {
  const rows = results.map((result) => [
    result.name,
    result.mpps.toFixed(2),
    ...[result.packets, result.lost, result.corrupt, result.kicks, result.interrupts].map(count),
  ]);
  const widths = HEADER.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  const shown = paths.filter((path) => results.some((result) => result.name === path.name));
  const notes = shown.map((path) => `${path.name.padEnd(widths[0]!)}  ${path.what}`);
  return `${[line(HEADER), rule, ...rows.map(line), '', ...notes].join('\n')}\n`;
}
