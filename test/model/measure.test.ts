// Measuring against live hosts: every kind of path, loads and rates, a host that runs already, a tap from both sides.
import { afterEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../backend/config/load.ts';
import { type MeasureOptions, measure } from '../../backend/measure/index.ts';
import { openGuest } from '../../guest-driver/model/index.ts';
import { TestHost } from '../harness/host.ts';
import { netns } from '../harness/interfaces.ts';

const RUN_DIR = '/tmp/ptnet-measure-nobody';
const SHORT: MeasureOptions = { seconds: 0.15 };

const text = (ports: string) => `
regions: { lan: { buf-num: 20480 } }
${ports}
vms:
  vm1: { region: lan, devices: [{ port: 'null:a' }, { port: 'p{1' }, { port: 'vale0:1' }, { port: 'vale0:3' }] }
  vm2: { region: lan, devices: [{ port: 'echo:e' }, { port: 'p}1' }, { port: 'vale0:2' }] }
`;
const CONFIG = () => parseConfig(text(''), 'x.yaml', { runDir: RUN_DIR });

test.each([
  ['vm1/net0 -> host', 0],
  ['host -> vm1/net0', 0],
  ['vm1/net1 -> vm2/net1', 0],
  ['vm1/net2 -> vm2/net2', undefined],
  // Both ends in one VM: one guest with two loops.
  ['vm1/net2 -> vm1/net3', undefined],
  ['vm2/net0 -> vm2/net0', undefined],
])('%s', async (path, lost) => {
  const { rates, host } = await measure(CONFIG(), [path], { ...SHORT, payload: 'full', sizes: [60, 1514] });
  expect(host).toBe('own');
  expect(rates.map(({ path: shown, size }) => [shown, size])).toEqual([
    [path, 60],
    [path, 1514],
  ]);
  for (const row of rates) {
    expect(row.received).toBeGreaterThan(100);
    expect(row.corrupt).toBe(0);
    if (lost !== undefined) expect(row.lost).toBe(lost);
  }
});

test('both directions at once are two rows', async () => {
  const { rates } = await measure(CONFIG(), ['vm1/net1 <-> vm2/net1'], SHORT);
  expect(rates).toMatchObject([
    { path: 'vm1/net1 -> vm2/net1', lost: 0, corrupt: 0 },
    { path: 'vm2/net1 -> vm1/net1', lost: 0, corrupt: 0 },
  ]);
});

test('a rate is kept, whoever sends', async () => {
  const paths = ['vm1/net2 -> vm2/net2', 'host -> vm1/net0'];
  const { rates } = await measure(CONFIG(), paths, { seconds: 0.5, rates: [2000] });
  for (const { askedPps, sent, seconds } of rates) {
    expect(askedPps).toBe(2000);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(2000 * seconds * 1.2 + 100);
  }
});

test('the highest rate of a path that loses nothing takes one trial', async () => {
  const { highest } = await measure(CONFIG(), ['vm1/net1 -> vm2/net1'], { ...SHORT, highest: {} });
  expect(highest).toMatchObject([{ path: 'vm1/net1 -> vm2/net1', size: 60, steps: [{ loss: 0 }] }]);
  expect(highest[0]!.mpps).toBeGreaterThan(0);
});

test('no rate is called one without loss where nobody can tell what is lost', async () => {
  const options: MeasureOptions = { ...SHORT, guests: 'vm', highest: {} };
  await expect(measure(CONFIG(), ['vm1/net2 <-> vm2/net2'], options)).rejects.toThrow(
    'vm1/net2 <-> vm2/net2: nobody can tell what is lost on it, and so which rate is without loss: one direction, or driver models, would be right',
  );
});

test('latencies: round trips where somebody answers, the host’s part where nobody does', async () => {
  const paths = ['vm1/net1 -> vm2/net1', 'vm2/net0 -> vm2/net0', 'vm1/net0 -> host'];
  const { latency } = await measure(CONFIG(), paths, { ...SHORT, latency: [{ pps: 2000 }, { share: 0.5 }] });
  expect(latency.map(({ path, what, load }) => `${path}, ${what} at ${load}`)).toEqual([
    'vm1/net1 -> vm2/net1, round trip at 2000 pps',
    'vm1/net1 -> vm2/net1, round trip at 50 %',
    'vm2/net0 -> vm2/net0, round trip at 2000 pps',
    'vm2/net0 -> vm2/net0, round trip at 50 %',
    'vm1/net0 -> host, service at 2000 pps',
    'vm1/net0 -> host, service at 50 %',
  ]);
  for (const { samples, p50, p99 } of latency) {
    expect(samples).toBeGreaterThan(0);
    expect(p50).toBeLessThanOrEqual(p99);
  }
});

describe('a host that runs already', () => {
  let host: TestHost | undefined;
  afterEach(() => host?.close());

  test('is measured through its own devices; what it does not tell is not invented', async () => {
    host = await TestHost.start(text(`ports: { 'null:a': { source: { packets: unlimited } } }`));
    const config = parseConfig(text(`ports: { 'null:a': { source: { packets: unlimited } } }`), 'x.yaml', {
      runDir: host.runDir,
    });
    const before = host.packets('null:a', 'tx');
    const result = await measure(config, ['vm1/net0 -> host', 'host -> vm1/net0'], SHORT);
    expect(result.host).toBe('running');
    expect(result.rates).toMatchObject([{ lost: 0 }, { lost: null, corrupt: 0 }]);
    expect(host.packets('null:a', 'tx')).toBeGreaterThan(before);
    expect(host.host.attached).toEqual([]);
  });

  test('with a VM attached has nothing to be measured through, and the VM does not notice', async () => {
    host = await TestHost.start(text(''));
    const config = parseConfig(text(''), 'x.yaml', { runDir: host.runDir });
    const [memdev, ...ptnet] = host.sockets('vm1');
    const guest = await openGuest({ memdev: memdev!, ptnet });
    try {
      await expect(measure(config, ['vm1/net0 -> host'], SHORT)).rejects.toThrow(
        /^vm1\/net0: .*: a VM that is attached has its devices for itself$/,
      );
      await guest.create();
      expect(host.host.attached).toEqual(['vm1']);
    } finally {
      await guest.close();
    }
  });

  test('sends nothing that its file does not say', async () => {
    host = await TestHost.start(text(''));
    const config = parseConfig(text(''), 'x.yaml', { runDir: host.runDir });
    await expect(measure(config, ['host -> vm1/net0'], SHORT)).rejects.toThrow(
      `null:a: the host that runs in ${host.runDir} sends nothing there: a 'source' in its file would be right`,
    );
  });
});

test('a tap, from the kernel to a guest and back, as a port and as a member of a switch', async () => {
  const net = await netns();
  const yaml = `
switches: { vale0: { members: ['tap:m'] } }
ports: { 'tap:m': { netns: ${net.path} }, 'tap:p': { netns: ${net.path} } }
vms:
  vm1: { devices: [{ port: 'tap:p' }, { port: 'vale0:1' }] }
`;
  const config = parseConfig(yaml, 'x.yaml', { runDir: RUN_DIR });
  const paths = ['vm1/net0 -> tap:p', 'tap:p -> vm1/net0', 'tap:m -> vm1/net1', 'vm1/net1 -> tap:m'];
  const { rates } = await measure(config, paths, { ...SHORT, rates: [20_000] });
  expect(rates.map(({ path }) => path)).toEqual(paths);
  for (const { received, corrupt } of rates) {
    expect(received).toBeGreaterThan(100);
    expect(corrupt).toBe(0);
  }
});

test.each([
  // A switch drops what its receiver is too slow for, and whoever pings waits for it.
  ['vm1/net2 -> vm2/net2', 'round trip'],
  // Ping and echo are two loops of one process, in which neither can be stopped alone.
  ['vm1/net2 -> vm1/net3', 'round trip'],
])('latencies on a switch, after a trial that has left packets behind: %s', async (path, what) => {
  const { latency, rates } = await measure(CONFIG(), [path, path.replace('->', '<->')], {
    ...SHORT,
    latency: [{ share: 0.5 }],
  });
  expect(rates).toHaveLength(3);
  expect(latency).toHaveLength(2);
  for (const { samples, p50, max, ...row } of latency) {
    expect(row.what).toBe(what);
    expect(samples).toBeGreaterThan(0);
    expect(p50).toBeGreaterThan(0);
    // What lay in a ring with other bytes where a time is expected would show here.
    expect(max).toBeLessThan(60e6);
  }
});

test('stopped in the middle, it fails with the reason, without a row of what is not whole, and leaves no guest', async () => {
  const stop = new AbortController();
  const rows: string[] = [];
  const done = measure(CONFIG(), ['vm1/net1 -> vm2/net1'], {
    seconds: 60,
    signal: stop.signal,
    onEvent({ kind }) {
      if (kind === 'tick') stop.abort(new Error('enough'));
      if (kind === 'rate') rows.push(kind);
    },
  });
  await expect(done).rejects.toThrow('enough');
  expect(rows).toEqual([]);
});
