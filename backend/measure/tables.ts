// A measurement as tables.
import { columns, thousands } from '../report/columns.ts';
import { describeMachine } from '../report/machine.ts';
import type { Table } from '../report/page.ts';
import { LIMIT_MEANING } from './limit.ts';
import type { Measurement } from './results.ts';

export const shownPps = (pps: number): string =>
  pps >= 1e6
    ? `${Number((pps / 1e6).toPrecision(6))}M`
    : pps >= 1e3
      ? `${Number((pps / 1e3).toPrecision(6))}k`
      : `${pps}`;

/** What is the same work as the limit's: a packet in one slot of which 60 bytes are looked at. */
const LIMIT_SIZE = 60;

/** A stamp is less work than the limit's copy, so there may be more of them. */
const shareOf = (mpps: number, limitMpps: number): string =>
  mpps > limitMpps ? '100 % or more' : `${((mpps / limitMpps) * 100).toFixed(1)} %`;

export function rateTable({ rates, limitMpps }: Measurement): Table {
  return {
    head: [
      'path',
      'size',
      'burst',
      'asked',
      'Mpps',
      'Gbit/s',
      'of limit',
      'packets',
      'lost',
      'corrupt',
      'kicks',
      'interrupts',
    ],
    rows: rates.map((row) => [
      row.path,
      `${row.size}`,
      `${row.burst}`,
      row.askedPps === null ? 'all' : shownPps(row.askedPps),
      row.mpps.toFixed(3),
      row.gbps.toFixed(3),
      row.size === LIMIT_SIZE && row.payload !== 'none' ? shareOf(row.mpps, limitMpps) : '',
      thousands(row.received),
      row.lost === null ? '-' : thousands(row.lost),
      thousands(row.corrupt),
      thousands(row.kicks),
      thousands(row.interrupts),
    ]),
  };
}

export function highestTable({ highest }: Measurement): Table {
  return {
    head: ['highest rate without loss', 'size', 'burst', 'Mpps', 'Gbit/s', 'trials'],
    rows: highest.map((row) => [
      row.path,
      `${row.size}`,
      `${row.burst}`,
      row.mpps.toFixed(3),
      row.gbps.toFixed(3),
      `${row.steps.length}`,
    ]),
  };
}

export function latencyTable({ latency }: Measurement): Table {
  return {
    head: ['latency, µs', 'of', 'load', 'Mpps', 'samples', 'p50', 'p99', 'p99.9', 'max'],
    rows: latency.map((row) => [
      row.path,
      row.what,
      row.load,
      row.mpps.toFixed(3),
      thousands(row.samples),
      ...[row.p50, row.p99, row.p999, row.max].map((time) => time.toFixed(2)),
    ]),
  };
}

/** The summary of a terminal. */
export function formatMeasurement(measurement: Measurement): string {
  const { machine, version, guests, host, limitMpps, highest, crowded } = measurement;
  const tables = [rateTable, highestTable, latencyTable]
    .map((table) => table(measurement))
    .filter(({ rows }) => rows.length > 0)
    .map(({ head, rows }) => columns(head, rows, `l${'r'.repeat(head.length - 1)}`));
  const where = `${describeMachine(machine)}; ptnetmap ${version}; ${guests}; ${host === 'own' ? 'a host of its own' : 'a host that was running'}`;
  const note =
    crowded && highest.length > 0
      ? 'without loss: worker and guests have fewer CPUs than threads and take turns, in which a switch loses packets: --loss 1% tells more of it\n'
      : '';
  return `${tables.join('\n')}\n${where}\n${note}limit: ${limitMpps.toFixed(0)} million slots a second, by ${LIMIT_MEANING}\n`;
}
