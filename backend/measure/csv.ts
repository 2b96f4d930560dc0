// A measurement as comma-separated values (RFC 4180): a line for each row, whatever it is of.
import type { Measurement } from './results.ts';

const COLUMNS = [
  ...[
    'kind',
    'path',
    'size_bytes',
    'burst',
    'payload',
    'asked_pps',
    'sent',
    'received',
    'lost',
    'corrupt',
    'foreign',
  ],
  ...['seconds', 'pps', 'bits_per_second', 'kicks', 'interrupts'],
  ...['what', 'load', 'samples', 'p50_us', 'p99_us', 'p999_us', 'max_us'],
] as const;

type Row = Partial<Record<(typeof COLUMNS)[number], string | number | null>>;

const cell = (value: string | number | null | undefined): string => {
  const text = value === undefined || value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const pps = (mpps: number): number => Math.round(mpps * 1e6);
const bits = (gbps: number): number => Math.round(gbps * 1e9);

export function formatCsv({ rates, highest, latency }: Measurement): string {
  const rows: Row[] = [
    ...rates.map(
      (row): Row => ({
        kind: 'rate',
        ...row,
        size_bytes: row.size,
        asked_pps: row.askedPps,
        pps: pps(row.mpps),
        bits_per_second: bits(row.gbps),
      }),
    ),
    ...highest.map(
      (row): Row => ({
        kind: 'highest',
        path: row.path,
        size_bytes: row.size,
        burst: row.burst,
        payload: row.payload,
        pps: pps(row.mpps),
        bits_per_second: bits(row.gbps),
      }),
    ),
    ...latency.map(
      (row): Row => ({
        kind: 'latency',
        path: row.path,
        what: row.what,
        load: row.load,
        pps: pps(row.mpps),
        samples: row.samples,
        p50_us: row.p50,
        p99_us: row.p99,
        p999_us: row.p999,
        max_us: row.max,
      }),
    ),
  ];
  const lines = [
    COLUMNS as readonly string[],
    ...rows.map((row) => COLUMNS.map((column) => cell(row[column]))),
  ];
  return lines.map((line) => `${line.join(',')}\r\n`).join('');
}
