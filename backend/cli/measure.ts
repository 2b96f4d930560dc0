// `ptnet measure`: paths of a file, or of the host that serves it: a line a second while it runs, then tables, files and a page.
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { loadConfig } from '../config/load.ts';
import { configWarnings } from '../config/warnings.ts';
import { ConfigurationError, PtnetError } from '../errors.ts';
import { formatCsv } from '../measure/csv.ts';
import type { Load } from '../measure/latency.ts';
import { type MeasureEvent, measure } from '../measure/measure.ts';
import { formatPage } from '../measure/page.ts';
import { nameOf } from '../measure/path.ts';
import { portEndsOf, reachedBy } from '../measure/reach.ts';
import type { Measurement } from '../measure/results.ts';
import type { Payload } from '../measure/scene.ts';
import { formatMeasurement, shownPps } from '../measure/tables.ts';
import { interruptible } from './interrupt.ts';
import type { Io } from './io.ts';

export interface MeasureCommandOptions {
  readonly vm: boolean;
  readonly size: readonly number[];
  readonly burst: readonly number[];
  readonly payload: Payload;
  readonly seconds: number;
  readonly rate?: readonly number[];
  readonly ndr: boolean;
  readonly resolution: number;
  readonly loss: number;
  readonly latency?: readonly Load[];
  readonly json: boolean;
  readonly csv?: string;
  readonly html?: string;
  readonly runDir?: string;
}

export async function measureFile(
  file: string,
  paths: readonly string[],
  options: MeasureCommandOptions,
  command: readonly string[],
  io: Io,
): Promise<void> {
  const config = loadConfig(file, options.runDir === undefined ? {} : { runDir: options.runDir });
  if (paths.length === 0) {
    io.out(`Paths of ${file}:\n${pathsIn(config).join('')}`);
    return;
  }
  for (const warning of configWarnings(config)) io.err(`warning: ${file}: ${warning}\n`);
  // A name that cannot be written should not cost a whole run.
  for (const out of [options.csv, options.html]) if (out !== undefined) writable(out);
  const live = new Live(io);
  const result = await interruptible(io, (signal) =>
    measure(config, paths, {
      guests: options.vm ? 'vm' : 'model',
      sizes: options.size,
      bursts: options.burst,
      payload: options.payload,
      seconds: options.seconds,
      ...(options.rate && { rates: options.rate }),
      ...(options.ndr && { highest: { resolution: options.resolution, tolerance: options.loss } }),
      ...(options.latency && { latency: options.latency }),
      command,
      signal,
      onEvent: (event) => live.show(event),
    }),
  );
  io.out(options.json ? `${JSON.stringify(result)}\n` : formatMeasurement(result));
  write(options.csv, () => formatCsv(result));
  write(options.html, () => formatPage(result));
  checkTraffic(result);
}

function pathsIn(config: Parameters<typeof portEndsOf>[0]): string[] {
  const lines = portEndsOf(config).flatMap((device) =>
    reachedBy(device, config).map(({ end, by }) => `  '${nameOf(device)} -> ${nameOf(end)}'  ${by}\n`),
  );
  return lines.length > 0
    ? lines
    : ['  none: no device or application reaches another, a tap or a null port\n'];
}

function writable(file: string): void {
  try {
    closeSync(openSync(file, 'a'));
  } catch (error) {
    throw new ConfigurationError(`${file}: cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

function write(file: string | undefined, text: () => string): void {
  if (file !== undefined) writeFileSync(file, text());
}

/** No rate is worth anything when packets come otherwise than they were sent. */
function checkTraffic({ rates, latency }: Measurement): void {
  const bad = rates.find(({ corrupt }) => corrupt > 0);
  if (bad)
    throw new PtnetError(
      'ERR_CORRUPT',
      `${bad.path}: ${bad.corrupt} packets came otherwise than they were sent`,
    );
  const none = rates.find(({ received }) => received <= 0);
  if (none) throw new PtnetError('ERR_NOTHING', `${none.path}: nothing arrived`);
  const untimed = latency.find(({ samples }) => samples === 0);
  if (untimed)
    throw new PtnetError(
      'ERR_NOTHING',
      `${untimed.path}: at ${untimed.load} nothing came back that could be timed`,
    );
}

/** A line a second, as iperf3 has it. */
class Live {
  readonly #io: Io;
  #last = { second: 0, seconds: 0, received: 0 };

  constructor(io: Io) {
    this.#io = io;
  }

  show(event: MeasureEvent): void {
    switch (event.kind) {
      case 'boot':
        this.#say(`booting test guests (${event.by})`);
        break;
      case 'trial': {
        const { size, burst, rate } = event.traffic;
        this.#last = { second: 0, seconds: 0, received: 0 };
        this.#say(
          `${event.path}: ${size} bytes, bursts of ${burst}, ${rate === undefined ? 'as fast as it goes' : `${shownPps(rate)} packets/s`}`,
        );
        break;
      }
      case 'tick':
        this.#tick(event);
        break;
      case 'rate':
        this.#say(
          `${event.row.path}: ${event.row.mpps.toFixed(3)} Mpps, ${event.row.lost === null ? 'losses unknown' : `${event.row.lost} lost`}`,
        );
        break;
      case 'highest':
        this.#say(`${event.row.path}: ${event.row.mpps.toFixed(3)} Mpps without loss`);
        break;
      case 'latency':
        this.#say(
          `${event.row.path}: ${event.row.what} at ${event.row.load}: p50 ${event.row.p50} µs, p99 ${event.row.p99} µs`,
        );
        break;
    }
  }

  #tick({ size, tick: { seconds, received } }: Extract<MeasureEvent, { kind: 'tick' }>): void {
    const second = Math.floor(seconds);
    if (second <= this.#last.second) return;
    const pps = (received - this.#last.received) / (seconds - this.#last.seconds);
    this.#last = { second, seconds, received };
    this.#say(
      `${`${second}`.padStart(5)} s  ${(pps / 1e6).toFixed(3).padStart(9)} Mpps  ${((pps * size * 8) / 1e9).toFixed(3).padStart(9)} Gbit/s`,
    );
  }

  #say(text: string): void {
    this.#io.err(`ptnet: ${text}\n`);
  }
}
