// Measuring with netmap applications at the ends: with a VM's driver model on a switch and on a pipe, among themselves, with the host.
import { afterEach, expect, test } from 'vitest';
import { parseConfig } from '../../backend/config/load.ts';
import { type MeasureOptions, measure } from '../../backend/measure/index.ts';
import { TestHost } from '../harness/host.ts';

const RUN_DIR = '/tmp/ptnet-measure-nobody';
const SHORT: MeasureOptions = { seconds: 0.15 };
const TEXT = `
regions: { lan: { buf-num: 20480 } }
applications: { region: lan, ports: ['p}1', 'null:n'] }
vms: { vm1: { region: lan, devices: [{ port: 'vale0:1' }, { port: 'p{1' }] } }
`;
const CONFIG = parseConfig(TEXT, 'x.yaml', { runDir: RUN_DIR });

test.each([
  ['p}1 -> vm1/net1', 'application', 'model'],
  ['vm1/net1 -> p}1', 'model', 'application'],
  ['a{1 -> a}1', 'application', 'application'],
  ['echo:e -> echo:e', 'application', 'application'],
  ['null:n -> host', 'application', 'host'],
  ['host -> null:n', 'host', 'application'],
])('%s loses nothing', async (path, from, to) => {
  const { rates, ends } = await measure(CONFIG, [path], { ...SHORT, payload: 'full', sizes: [60, 1514] });
  const [first, last] = path.split(' -> ');
  expect(ends).toEqual({ [first!]: from, [last!]: to });
  expect(rates).toMatchObject([
    { path, size: 60, lost: 0, corrupt: 0 },
    { path, size: 1514, lost: 0, corrupt: 0 },
  ]);
  for (const { received } of rates) expect(received).toBeGreaterThan(100);
});

// A receiver that is slower than a switch loses packets: not these few, in rings of 1024 slots.
test.each(['vale0:app -> vm1/net0', 'vm1/net0 -> vale0:app', 'vale0:x -> vale0:y'])(
  '%s keeps a rate, and the switch knows where the receiver is',
  async (path) => {
    const { rates } = await measure(CONFIG, [path], {
      seconds: 0.4,
      payload: 'full',
      rates: [1000],
      bursts: [16],
    });
    expect(rates).toMatchObject([{ path, askedPps: 1000, lost: 0, corrupt: 0 }]);
    const [{ sent, seconds }] = rates as [(typeof rates)[0]];
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(1000 * seconds * 1.2 + 100);
  },
);

test('both directions at once between an application and a VM', async () => {
  const { rates, guests } = await measure(CONFIG, ['p}1 <-> vm1/net1'], SHORT);
  expect(guests).toBe('driver models, netmap applications');
  expect(rates).toMatchObject([
    { path: 'p}1 -> vm1/net1', lost: 0, corrupt: 0 },
    { path: 'vm1/net1 -> p}1', lost: 0, corrupt: 0 },
  ]);
});

test.each([
  ['vm1/net0 -> vale0:app', 'round trip'],
  ['vale0:app -> vm1/net0', 'round trip'],
  ['a{1 -> a}1', 'round trip'],
  ['null:n -> host', 'service'],
])('latencies: %s', async (path, what) => {
  const { latency } = await measure(CONFIG, [path], { ...SHORT, latency: [{ pps: 1000 }] });
  expect(latency).toMatchObject([{ path, what }]);
  for (const { samples, p50, max } of latency) {
    expect(samples).toBeGreaterThan(0);
    expect(p50).toBeGreaterThan(0);
    expect(max).toBeLessThan(60e6);
  }
});

test('the highest rate of a pipe between applications takes one trial', async () => {
  const { highest, guests } = await measure(CONFIG, ['a{1 -> a}1'], { ...SHORT, highest: {} });
  expect(guests).toBe('netmap applications');
  expect(highest).toMatchObject([{ path: 'a{1 -> a}1', steps: [{ loss: 0 }] }]);
});

test('without applications in the file there is no such end', async () => {
  const config = parseConfig(`vms: { vm1: { devices: [{ port: 'vale0:1' }] } }`, 'x.yaml', {
    runDir: RUN_DIR,
  });
  await expect(measure(config, ['vale0:app -> vm1/net0'], SHORT)).rejects.toThrow(
    "no device has vale0:app, and the file lets no application have it: 'applications: {}' in the file would be right",
  );
});

let host: TestHost | undefined;
afterEach(() => host?.close());

test('a host without VMs that runs already gets the applications too, and keeps none of their ports', async () => {
  host = await TestHost.start('applications: {}');
  const config = parseConfig('applications: {}', 'x.yaml', { runDir: host.runDir });
  const result = await measure(config, ['a{1 -> a}1'], SHORT);
  expect(result.host).toBe('running');
  expect(result.rates).toMatchObject([{ lost: 0, corrupt: 0 }]);
  await expect.poll(() => host!.host.stats().ports).toEqual([]);
});

test('a port that the host refuses is said, with what the system says', async () => {
  const config = parseConfig('switches: { vale0: }\napplications: {}', 'x.yaml', { runDir: RUN_DIR });
  await expect(measure(config, ['vale7:a -> vale7:b'], SHORT)).rejects.toThrow(
    /^vale7:b, vale7:a: openNetmap: vale7:[ab]: register: /,
  );
});
