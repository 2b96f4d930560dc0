// `ptnet measure`: what its options may be, and what it does with a wrong path or file before anything is started.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bursts, loads, rates, share, sizes } from '../../../../backend/cli/measure-options.ts';
import { run } from '../../../../backend/cli/program.ts';
import { FakeIo } from './fake-io.ts';

describe('lists', () => {
  test('of sizes, bursts, rates, loads and shares', () => {
    expect(sizes('60, 1514')).toEqual([60, 1514]);
    expect(bursts('1,256')).toEqual([1, 256]);
    expect(rates('100,500k,1.5M,2Gpps')).toEqual([100, 500e3, 1.5e6, 2e9]);
    expect(loads('50%,10k,1%')).toEqual([{ share: 0.5 }, { pps: 10e3 }, { share: 0.01 }]);
    expect([share('1%'), share('0'), share('0.1%')]).toEqual([0.01, 0, 0.001]);
  });

  test.each([
    [() => sizes('60,31'), "'31' is no size: whole numbers from 32 to 65535"],
    [() => sizes('1e3'), "'1e3' is no size"],
    [() => sizes(''), "'' is no size"],
    [() => bursts('0'), "'0' is no burst"],
    [() => rates('10x'), "'10x' is no rate: packets per second, as '500k' or '1.5M', would be right."],
    [() => rates('0'), "'0' is no rate"],
    [() => loads('150%'), "'150%' is no load: a share of the highest rate, as '50%'"],
    [() => loads('half'), "'half' is no load"],
    [() => share('90%'), "'90%' is no share"],
  ])('%s is refused', (parse, message) => {
    expect(parse).toThrow(message);
  });
});

let folder: string;
let io: FakeIo;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-measure-cli-'));
  io = new FakeIo();
  const text = `run-dir: ${folder}/run
regions: { lan: { buf-num: 8192 } }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1' }, { port: 'null:a' }] }
  vm2: { region: lan, devices: [{ port: 'p}1' }] }
`;
  writeFileSync(join(folder, 'host.yaml'), text);
});
afterEach(() => rmSync(folder, { recursive: true }));

const ptnet = (...args: string[]): Promise<number> =>
  run(['measure', join(folder, 'host.yaml'), ...args], io, () => Promise.reject(new Error('starts a host')));

test('without a path it says which there are', async () => {
  expect(await ptnet()).toBe(0);
  expect(io.stdout).toBe(`Paths of ${folder}/host.yaml:
  'vm1/net0 -> vm2/net0'  pipe p{1
  'vm1/net1 -> host'  null:a
  'vm2/net0 -> vm1/net0'  pipe p{1
`);
});

test.each([
  [['vm1/net0 -> host'], 2, 'and vm1/net0 is p{1: another end would be right\n'],
  [['vm1/net1 -> host', '--size', '9'], 2, "'9' is no size"],
  [['vm1/net1 -> host', '--payload', 'all'], 2, 'Allowed choices are none, stamp, full.\n'],
  [
    ['vm1/net1 -> host', '--csv', '/no/such/folder/x.csv'],
    2,
    '/no/such/folder/x.csv: cannot be written: ENOENT',
  ],
])('%j is refused before anything is started', async (args, code, message) => {
  expect(await ptnet(...args)).toBe(code);
  expect(io.stderr).toContain(message);
  expect(io.stdout).toBe('');
});

test('a measurement: a table, CSV and a page, and nothing else is left', async () => {
  const out = (name: string) => join(folder, name);
  const files = ['--csv', out('x.csv'), '--html', out('x.html')];
  expect(await ptnet('vm1/net1 -> host', 'vm1/net0 <-> vm2/net0', '--seconds', '0.2', ...files)).toBe(0);
  expect(io.stdout).toMatch(/^path +size +burst +asked +Mpps +Gbit\/s +of limit +packets +lost +corrupt/);
  for (const path of ['vm1/net1 -> host', 'vm1/net0 -> vm2/net0', 'vm2/net0 -> vm1/net0'])
    expect(io.stdout).toMatch(new RegExp(`^${path} +60 +256 +all +[\\d.]+ .* 0 +0 +\\d`, 'm'));
  expect(io.stdout).toMatch(/; driver models; a host of its own\nlimit: \d+ million slots a second/);
  expect(readFileSync(out('x.csv'), 'utf8').split('\r\n')).toHaveLength(5);
  expect(readFileSync(out('x.html'), 'utf8')).toContain('<h2>Rates</h2>');
  expect(readdirSync(folder).sort()).toEqual(['host.yaml', 'x.csv', 'x.html']);
  expect(existsSync(join(folder, 'run'))).toBe(false);
});

test('--json is one object on stdout', async () => {
  expect(await ptnet('host -> vm1/net1', '--seconds', '0.2', '--size', '60,1514', '--json')).toBe(0);
  const result = JSON.parse(io.stdout);
  expect(Object.keys(result)).toEqual([
    'time',
    'machine',
    'version',
    'command',
    'guests',
    'ends',
    'host',
    'crowded',
    'limitMpps',
    'rates',
    'highest',
    'latency',
  ]);
  expect(result.rates).toMatchObject([
    { path: 'host -> vm1/net1', size: 60, burst: 256, payload: 'stamp', askedPps: null, lost: 0, corrupt: 0 },
    { path: 'host -> vm1/net1', size: 1514 },
  ]);
  expect(result.command.slice(0, 2)).toEqual(['ptnet', 'measure']);
});

test('interrupted, it ends with 1 and leaves nothing', async () => {
  const done = ptnet('vm1/net1 -> host', '--seconds', '60');
  setTimeout(io.stop, 1500);
  expect(await done).toBe(1);
  expect(io.stderr).toContain('ptnet: interrupted\n');
  expect(io.stdout).toBe('');
});
