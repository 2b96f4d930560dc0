// What the demonstration prints: a line per path while it runs, then the table.
import { columns, thousands } from '../backend/report/columns.ts';
import type { DemoPath, PathName } from './paths.ts';

/** A row of the table; scripts read these keys. */
export interface PathResult {
  readonly name: PathName;
  readonly guest: 'model' | 'vm';
  readonly mpps: number;
  /** Of what the machine's limit allows, a share. */
  readonly ofLimit: number;
  readonly packets: number;
  readonly lost: number;
  readonly corrupt: number;
  readonly kicks: number;
  readonly interrupts: number;
  /** The pass in which every byte was written and checked. */
  readonly proof: { readonly packets: number; readonly corrupt: number };
}

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

  start(path: Pick<DemoPath, 'name'>): void {
    this.#line(`${path.name} ...`, false);
  }

  update(path: Pick<DemoPath, 'name'>, packets: number, seconds: number): void {
    if (this.#screen.isTTY !== true) return;
    this.#line(`${path.name}: ${thousands(packets)} packets in ${seconds.toFixed(1)} s`, false);
  }

  done({ name, packets, mpps }: Pick<PathResult, 'name' | 'packets' | 'mpps'>): void {
    this.#line(`${name}: ${thousands(packets)} packets, ${mpps.toFixed(2)} Mpps`, true);
  }

  #line(text: string, last: boolean): void {
    if (this.#screen.isTTY === true) this.#screen.write(`\r\x1b[K${text}${last ? '\n' : ''}`);
    else this.#screen.write(`${text}\n`);
  }
}

const HEAD = [
  'path',
  'Mpps',
  'of limit',
  'packets',
  'lost',
  'kicks',
  'interrupts',
  'bytes proved',
  'corrupt',
];
/** Of the packets that prove every byte. */
const PROOF_BYTES = 60;

export function table(results: readonly PathResult[], paths: readonly DemoPath[]): string {
  const rows = results.map(({ name, mpps, ofLimit, packets, lost, corrupt, kicks, interrupts, proof }) => [
    name,
    mpps.toFixed(2),
    ofLimit > 1 ? '100 % or more' : `${(ofLimit * 100).toFixed(1)} %`,
    ...[packets, lost, kicks, interrupts, proof.packets * PROOF_BYTES, corrupt + proof.corrupt].map(
      thousands,
    ),
  ]);
  const shown = paths.filter((path) => results.some((result) => result.name === path.name));
  const width = Math.max(...shown.map(({ name }) => name.length));
  const notes = shown.map((path) => `${path.name.padEnd(width)}  ${path.what}\n`);
  return `${columns(HEAD, rows, 'lrrrrrrrr')}\n${notes.join('')}`;
}

/** What the figures are to be seen beside. */
export const limitText = (machine: string, mpps: number, meaning: string): string =>
  `${machine}.\nIts limit: ${mpps.toFixed(0)} million slots a second, by ${meaning}; 'of limit' is the share of that.\nPackets of 60 bytes. Each has a number in its first cache line, which is written and checked; in a short pass beside it every byte is.\n`;
