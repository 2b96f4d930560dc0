// The metrics: names as Prometheus has them, values of the rings they are of, and a dashboard that uses no others.
import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { FAMILIES, type Snapshot } from '../../../../backend/metrics/families.ts';
import { formatMetrics, metricsText } from '../../../../backend/metrics/metrics.ts';
import { WorkerLoad } from '../../../../backend/metrics/worker-load.ts';
import { DROP_CAUSES } from '../../../../native/stats.ts';

const drops = { ...Object.fromEntries(DROP_CAUSES.map((cause) => [cause, 0])), storm: 4 } as Record<
  (typeof DROP_CAUSES)[number],
  number
>;
const ring = (dir: 'tx' | 'rx', packets: number) => ({
  dir,
  ring: 0,
  packets,
  bytes: 60 * packets,
  drops,
  kicks: 1,
  interrupts: 2,
  syncs: 3,
  badIndex: 0,
  reraised: 0,
  irqSlow: 0,
  memSlow: 0,
});
const snapshot = {
  version: '1.2.3',
  startedMs: 5000,
  busySeconds: [0.5],
  stats: {
    ports: [{ name: 'vale0:"1"', vm: 'vm1', device: 'net0', rings: [ring('tx', 7), ring('rx', 9)] }],
    members: [
      {
        name: 'tap:lan',
        switch: 'vale0',
        interface: { name: 'lan', up: true, carrier: false, gone: false },
        rings: [ring('tx', 1)],
      },
    ],
    workers: [
      {
        rounds: 10,
        busyRounds: 5,
        cpuSeconds: 1.5,
        parks: 0,
        wakeups: 0,
        idleWakeups: 0,
        sleeps: 0,
        servedInKick: 0,
        watchErrors: 0,
      },
    ],
  },
  state: {
    vms: [
      {
        name: 'vm1',
        devices: [
          { name: 'mem', connected: true, complaints: {} },
          { name: 'net0', connected: true, started: false, complaints: { CREATE: 2 } },
        ],
      },
    ],
    regions: [{ name: 'lan', pools: { buf: { free: 3 } } }],
  },
} as unknown as Snapshot;

test('a line for each ring, with its labels', async () => {
  const text = await formatMetrics(snapshot);
  for (const line of [
    'ptnet_info{version="1.2.3"} 1',
    'ptnet_start_time_seconds 5',
    'ptnet_port_transmit_packets_total{vm="vm1",port="vale0:\\"1\\"",ring="0"} 7',
    'ptnet_port_receive_bytes_total{vm="vm1",port="vale0:\\"1\\"",ring="0"} 540',
    'ptnet_port_transmit_packets_total{vm="",port="tap:lan",ring="0"} 1',
    'ptnet_port_drops_total{vm="vm1",port="vale0:\\"1\\"",ring="0",direction="receive",reason="storm"} 4',
    'ptnet_port_drops_total{vm="vm1",port="vale0:\\"1\\"",ring="0",direction="receive",reason="full"} 0',
    'ptnet_device_started{vm="vm1",device="net0"} 0',
    'ptnet_device_complaints_total{vm="vm1",device="net0",cause="CREATE"} 2',
    'ptnet_interface_up{port="tap:lan",interface="lan"} 0',
    'ptnet_worker_busy_seconds_total{worker="0"} 0.5',
    'ptnet_region_free_buffers{region="lan"} 3',
  ])
    expect(text.split('\n')).toContain(line);
  expect(text).not.toContain('reason="rate"');
});

describe('a host of many ports', () => {
  const COUNT = 1203;
  const ports = Array.from({ length: COUNT }, (_, i) => ({
    name: `vale0:${i}`,
    vm: `vm${i}`,
    device: 'net0',
    rings: [ring('tx', i), ring('rx', 2 * i)],
  }));
  const many = { ...snapshot, stats: { ...snapshot.stats, ports } } as Snapshot;

  test('has a line for each, and the name and type of a metric once', async () => {
    const lines = (await formatMetrics(many)).split('\n');
    const received = lines.filter((line) => line.startsWith('ptnet_port_receive_packets_total{'));
    expect(received).toEqual(
      ports.map(
        ({ name, vm }, i) => `ptnet_port_receive_packets_total{vm="${vm}",port="${name}",ring="0"} ${2 * i}`,
      ),
    );
    for (const { name, type } of FAMILIES) {
      expect(lines.filter((line) => line === `# TYPE ${name} ${type}`)).toHaveLength(1);
      expect(lines.filter((line) => line.startsWith(`# HELP ${name} `))).toHaveLength(1);
    }
    expect(lines.at(-1)).toBe('');
    expect(new Set(lines.filter((line) => line !== '')).size).toBe(
      lines.filter((line) => line !== '').length,
    );
  });

  test('gives others a turn again and again while it writes', async () => {
    let turns = 0;
    let done = false;
    const turn = () => {
      turns += 1;
      if (!done) setImmediate(turn);
    };
    setImmediate(turn);
    const text = await formatMetrics(many);
    done = true;
    expect(turns).toBeGreaterThan(text.split('\n').length / 1000);
  });

  test('is read once for all who ask at a time, and anew for who asks later', async () => {
    const stats = vi.fn((names: Iterable<string> = []) => {
      const wanted = new Set(names);
      return { ...many.stats, ports: many.stats.ports.filter(({ name }) => wanted.has(name)) };
    });
    // One has gone since.
    const portNames = [...ports.map(({ name }) => name), 'vale9:9'];
    const host = { stats, state: () => many.state, portNames };
    const [one, other] = await Promise.all([metricsText(host), metricsText(host)]);
    expect(one).toBe(other);
    const once = stats.mock.calls.length;
    for (const { name } of ports) expect(one).toContain(`port="${name}"`);
    await metricsText(host);
    expect(stats).toHaveBeenCalledTimes(2 * once);
    stats.mockImplementationOnce(() => {
      throw new Error('closed');
    });
    await expect(metricsText(host)).rejects.toThrow('closed');
    await expect(metricsText(host)).resolves.toContain('ptnet_info');
  });
});

test('names are as Prometheus has them: base units, and _total for what only grows', () => {
  for (const { name, type, help } of FAMILIES) {
    expect(name).toMatch(/^ptnet_[a-z_]+$/);
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    expect(help).toMatch(/\.$/);
  }
  expect(new Set(FAMILIES.map(({ name }) => name)).size).toBe(FAMILIES.length);
});

test('docs/control.md names every metric', () => {
  const page = readFileSync('docs/control.md', 'utf8');
  for (const { name } of FAMILIES) expect(page).toContain(`\`${name}\``);
});

interface DashboardPanel {
  readonly id: number;
  readonly title: string;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>;
  readonly targets: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
  }[];
}

describe("Grafana's dashboard", () => {
  const dashboard = JSON.parse(readFileSync('examples/grafana-dashboard.json', 'utf8'));
  const panels: readonly DashboardPanel[] = dashboard.panels;
  const labels = new Map(FAMILIES.map((family) => [family.name, family.labels]));
  const words = (text: string, form: RegExp): string[] =>
    [...text.matchAll(form)].flatMap(([, list]) => list!.split(/\s*,\s*/));
  const queries = [
    ...panels.flatMap(({ targets }) => targets),
    ...dashboard.templating.list
      .filter(({ type }: { type: string }) => type === 'query')
      .map(({ query }: { query: string }) => ({ expr: query, legendFormat: '' })),
  ];

  test.each(queries)(
    '$expr has metrics that are there, and labels that each of them has',
    ({ expr, legendFormat }) => {
      const names = expr.match(/ptnet_[a-z_]+/g) ?? [];
      expect(names).not.toEqual([]);
      const used = [
        ...words(expr, /(?:by|on|ignoring) \(([^)]+)\)/g),
        ...words(expr, /label_values\([^,]+, ([^)]+)\)/g),
        ...[...expr.matchAll(/([a-z_]+)=?[=~!]"/g)].map(([, label]) => label!),
        ...[...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!),
      ];
      for (const name of names) expect(labels.get(name), name).toEqual(expect.arrayContaining(used));
      // What a sum has left is all that a legend can show.
      const [left] = [...expr.matchAll(/sum by \(([^)]+)\)/g)].map(([, list]) => list!.split(', '));
      if (left)
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(left).toContain(label);
      const known = new Set(dashboard.templating.list.map(({ name }: { name: string }) => name));
      for (const [, name] of expr.matchAll(/\$(\w+)/g))
        if (!name!.startsWith('__')) expect(known).toContain(name);
    },
  );

  test('is what an importer wants: a schema, a data source to choose, panels each in a place of its own', () => {
    const { schemaVersion, title, uid, id, templating } = dashboard;
    expect(schemaVersion).toBeGreaterThanOrEqual(36);
    expect(title).toBeTruthy();
    expect(uid).toMatch(/^[\w-]{1,40}$/);
    // A number would be that of a dashboard that is there already.
    expect(id ?? null).toBeNull();
    expect(templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    expect(panels.length).toBeGreaterThan(5);
    expect(new Set(panels.map((panel) => panel.id)).size).toBe(panels.length);
    for (const { datasource, targets, gridPos, title: name } of panels) {
      expect(datasource, name).toEqual({ type: 'prometheus', uid: '$' + '{datasource}' });
      expect(new Set(targets.map(({ refId }) => refId)).size, name).toBe(targets.length);
      expect(gridPos.x + gridPos.w, name).toBeLessThanOrEqual(24);
      const over = panels.filter(
        ({ gridPos: g }) =>
          g.x < gridPos.x + gridPos.w &&
          gridPos.x < g.x + g.w &&
          g.y < gridPos.y + gridPos.h &&
          gridPos.y < g.y + g.h,
      );
      expect(over.map((panel) => panel.title)).toEqual([name]);
    }
  });
});

test('the load of a worker grows by the CPU time of rounds that moved something, and never falls', () => {
  const load = new WorkerLoad();
  const at = (cpuSeconds: number, rounds: number, busyRounds: number) =>
    load.add([{ cpuSeconds, rounds, busyRounds }])[0]!;
  expect(at(1, 100, 50)).toBeCloseTo(0.5);
  expect(at(2, 200, 50)).toBeCloseTo(0.5);
  expect(at(3, 300, 150)).toBeCloseTo(1.5);
  expect(at(3, 300, 150)).toBeCloseTo(1.5);
});
