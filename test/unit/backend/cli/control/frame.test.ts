// What `ptnet top` shows in terminals of any size, and writes elsewhere.
import { describe, expect, test } from 'vitest';
import { frame, plainLines } from '../../../../../backend/cli/control/frame.ts';
import { type Rates, ratesBetween } from '../../../../../backend/cli/control/rates.ts';
import { fitted, short, table } from '../../../../../backend/cli/control/table.ts';
import type { StatsState } from '../../../../../backend/control/index.ts';
import { DROP_CAUSES } from '../../../../../native/stats.ts';

const NO_DROPS = Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0]));

function stats(time: string, factor: number, ports = ['vale0:1', 'null:a']): StatsState {
  const ring = (dir: 'tx' | 'rx', scale: number) => ({
    dir,
    ring: 0,
    packets: scale * factor,
    bytes: 60 * scale * factor,
    drops: { ...NO_DROPS, full: 10 * factor },
    kicks: factor,
    interrupts: 2 * factor,
    syncs: 0,
    badIndex: 0,
    reraised: 0,
    irqSlow: 0,
    memSlow: 0,
  });
  return {
    time,
    ports: ports.map((name, i) => ({
      name,
      vm: 'vm1',
      device: `net${i}`,
      rings: [ring('tx', 1000 * (i + 1)), ring('rx', 5)],
    })),
    members: [],
    devices: [],
    sockets: { doorbells: 0, messages: 0, slowServices: 0 },
    workers: [
      {
        rounds: 100 * factor,
        busyRounds: 50 * factor,
        cpuSeconds: factor,
        parks: 0,
        wakeups: factor,
        idleWakeups: 0,
        sleeps: factor,
        servedInKick: 0,
        watchErrors: 0,
      },
    ],
  } as unknown as StatsState;
}
const FROM = '2026-01-01T00:00:00.000Z';
const TO = '2026-01-01T00:00:02.000Z';
const rates = (ports?: string[]): Rates => ratesBetween(stats(FROM, 1, ports), stats(TO, 3, ports));

describe('rates', () => {
  test('are differences, by the time between the two', () => {
    const { seconds, ports, workers } = rates();
    expect(seconds).toBe(2);
    expect(ports[0]!.rings[0]).toMatchObject({
      dir: 'tx',
      pps: 1000,
      bps: 480_000,
      kicks: 1,
      drops: { full: 10 },
    });
    expect(workers[0]).toMatchObject({ cpu: 1, busy: 0.5 });
  });

  test('a thing that is new, or was made anew, has none yet', () => {
    expect(ratesBetween(stats(FROM, 1, []), stats(TO, 3)).ports[0]!.rings).toEqual([]);
    expect(ratesBetween(stats(FROM, 3), stats(TO, 1)).ports[0]!.rings[0]!.pps).toBe(0);
    expect(ratesBetween(stats(FROM, 1), stats(FROM, 3)).ports[0]!.rings[0]!.pps).toBe(0);
  });
});

describe('a frame', () => {
  const lines = (columns: number, rows: number, ports?: string[]) =>
    frame(rates(ports), 'ptnet 1.2.3', { rings: false, terminal: { columns, rows } }).split('\n');

  test('of 80 columns has all columns, the busiest port first, and why packets were dropped', () => {
    expect(lines(80, 24)).toEqual([
      'ptnet 1.2.3',
      'worker 0: cpu 100 %, busy 50 %, 1 sleeps/s, 1 wakeups/s',
      '',
      'PORT        TX pps   RX pps  DROPS/s TX bit/s RX bit/s  KICKS/s   IRQS/s',
      'null:a       2.00k        5       20     960k    2.40k        2        4',
      '  dropped: full 20/s',
      'vale0:1      1.00k        5       20     480k    2.40k        2        4',
      '  dropped: full 20/s',
    ]);
  });

  test.each([20, 30, 40, 79, 80, 200])('of %i columns has no line that is longer', (columns) => {
    const many = Array.from({ length: 1000 }, (_, i) => `vale0:a_port_with_a_long_name_${i}`);
    const all = lines(columns, 24, many);
    for (const line of all) expect(line.length).toBeLessThanOrEqual(columns);
    expect(all.length).toBeLessThanOrEqual(24);
    expect(all.at(-1)).toMatch(/^and \d+ more/);
    expect(all[3]).toMatch(/^PORT +TX pps/);
  });

  test('of rings has a line for each', () => {
    const text = frame(rates(), '', { rings: true, terminal: { columns: 80, rows: 24 } });
    expect(text).toContain('vale0:1 tx0');
    expect(text).toContain('null:a rx0');
  });

  test('that is smaller than anything still says something', () => {
    expect(lines(1, 1).length).toBeGreaterThan(3);
  });
});

test('elsewhere it is lines of what had traffic, each with its time', () => {
  const lines = plainLines(rates(), { rings: false }).split('\n');
  expect(lines[0]).toBe(
    `${TO} vale0:1: 1.00k TX pps, 5 RX pps, 20 DROPS/s, 480k TX bit/s, 2.40k RX bit/s, 2 KICKS/s, 4 IRQS/s, dropped: full 20/s`,
  );
  expect(lines.at(-1)).toContain('worker 0: cpu 100 %');
});

test('numbers are short, and columns stand under their titles', () => {
  expect([0, 999, 1000, 12_345, 999_600, 1_234_567_890].map(short)).toEqual([
    '0',
    '999',
    '1.00k',
    '12.3k',
    '1.00M',
    '1.23G',
  ]);
  expect(
    table(
      ['A', 'NUMBER'],
      [
        ['long name', 5],
        ['b', 10],
      ],
      {},
    ),
  ).toBe('A          NUMBER\nlong name       5\nb              10\n');
  expect(fitted('abcdefghijklmnopqrstuvwxyz', { terminal: { columns: 20 } })).toBe('abcdefghijklmnopqrs…');
});
