// What `ptnet top` shows: as much of the figures as the terminal has room for, the busiest first.

import type { PortRate, Rates, RingRate, WorkerRate } from './rates.ts';
import { fitted, short } from './table.ts';

interface Line {
  readonly name: string;
  readonly vm: string;
  readonly rings: readonly RingRate[];
}

const sum = (rings: readonly RingRate[], value: (ring: RingRate) => number): number =>
  rings.reduce((total, ring) => total + value(ring), 0);
const dropsOf = (ring: RingRate): number => Object.values(ring.drops).reduce((a, b) => a + b, 0);
const of = (dir: 'tx' | 'rx', value: (ring: RingRate) => number) => (line: Line) =>
  sum(
    line.rings.filter((ring) => ring.dir === dir),
    value,
  );

/** By how much they are missed: a narrow terminal has the first ones. */
const COLUMNS: readonly { title: string; value(line: Line): number }[] = [
  { title: 'TX pps', value: of('tx', (ring) => ring.pps) },
  { title: 'RX pps', value: of('rx', (ring) => ring.pps) },
  { title: 'DROPS/s', value: (line) => sum(line.rings, dropsOf) },
  { title: 'TX bit/s', value: of('tx', (ring) => ring.bps) },
  { title: 'RX bit/s', value: of('rx', (ring) => ring.bps) },
  { title: 'KICKS/s', value: (line) => sum(line.rings, (ring) => ring.kicks) },
  { title: 'IRQS/s', value: (line) => sum(line.rings, (ring) => ring.interrupts) },
];
const CELL = 9;
const NAME_MAX = 24;
const NAME_MIN = 9;

export interface FrameOptions {
  readonly rings: boolean;
  readonly terminal: { readonly columns: number; readonly rows: number };
}

export function frame(rates: Rates, title: string, { rings, terminal }: FrameOptions): string {
  const columns = Math.max(terminal.columns, 20);
  const all = linesOf(rates.ports, rings);
  const longest = Math.max(NAME_MIN, ...all.map(({ name }) => name.length + 1));
  const cells = Math.max(
    1,
    Math.min(COLUMNS.length, Math.floor((columns - Math.min(longest, NAME_MAX)) / CELL)),
  );
  const nameWidth = Math.max(NAME_MIN, Math.min(longest, columns - cells * CELL));
  const shown = COLUMNS.slice(0, cells);
  const head = 'PORT'.padEnd(nameWidth) + shown.map(({ title: text }) => text.padStart(CELL)).join('');
  const top = [title, ...rates.workers.map(workerLine), '', head];
  const room = Math.max(1, terminal.rows - top.length - 2);
  const body = all
    .toSorted((a, b) => traffic(b) - traffic(a))
    .flatMap((line) => {
      const numbers = shown.map(({ value }) => short(Math.round(value(line))).padStart(CELL)).join('');
      const causes = causesOf(line.rings);
      return [cut(line.name, nameWidth) + numbers, ...(causes === '' ? [] : [`  dropped: ${causes}`])];
    });
  const more = body.length - room;
  const visible = more > 0 ? [...body.slice(0, room), `and ${more} more lines`] : body;
  return fitted([...top, ...visible].join('\n'), { terminal });
}

const traffic = ({ rings }: Line): number => sum(rings, (ring) => ring.pps + dropsOf(ring));
const cut = (text: string, width: number): string =>
  text.length > width - 1 ? `${text.slice(0, width - 2)}… ` : text.padEnd(width);

function linesOf(ports: readonly PortRate[], rings: boolean): Line[] {
  return ports.flatMap(({ name, vm = '', rings: all }) =>
    rings
      ? all.map((ring) => ({ name: `${name} ${ring.dir}${ring.ring}`, vm, rings: [ring] }))
      : [{ name, vm, rings: all }],
  );
}

function causesOf(rings: readonly RingRate[]): string {
  const total = new Map<string, number>();
  for (const { drops } of rings)
    for (const [cause, rate] of Object.entries(drops)) total.set(cause, (total.get(cause) ?? 0) + rate);
  return [...total].map(([cause, rate]) => `${cause} ${short(Math.round(rate))}/s`).join(', ');
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

export function workerLine({ worker, cpu, busy, sleeps, wakeups }: WorkerRate): string {
  return `worker ${worker}: cpu ${percent(cpu)}, busy ${percent(busy)}, ${short(Math.round(sleeps))} sleeps/s, ${short(Math.round(wakeups))} wakeups/s`;
}

/** A line for each that had traffic, and for each worker: for another program, or a file. */
export function plainLines(rates: Rates, { rings }: { rings: boolean }): string {
  const lines = linesOf(rates.ports, rings)
    .filter((line) => traffic(line) > 0)
    .map((line) => {
      const numbers = COLUMNS.map(({ title, value }) => `${short(Math.round(value(line)))} ${title}`).join(
        ', ',
      );
      const causes = causesOf(line.rings);
      return `${rates.time} ${line.name}: ${numbers}${causes === '' ? '' : `, dropped: ${causes}`}`;
    });
  return [...lines, ...rates.workers.map((worker) => `${rates.time} ${workerLine(worker)}`)].join('\n');
}
