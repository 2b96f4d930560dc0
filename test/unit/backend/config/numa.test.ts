// NUMA nodes in a configuration, on machines that are made up: what is placed where, what cannot be, what is far apart.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { HostConfig } from '../../../../backend/config/host-config.ts';
import { parseConfig } from '../../../../backend/config/load.ts';
import { formatList, type NumaNodes, readNumaNodes } from '../../../../backend/config/numa-nodes.ts';
import { configWarnings } from '../../../../backend/config/warnings.ts';
import { messageOf } from './messages.ts';

/** Node 2 has memory only, node 3 CPUs only. */
const NODES: NumaNodes = new Map([
  [0, { cpus: [0], memory: true }],
  [1, { cpus: [1, 4, 5, 6], memory: true }],
  [2, { cpus: [], memory: true }],
  [3, { cpus: [2, 3], memory: false }],
]);
const VM = "vms: { vm1: { devices: [{ port: 'null:a' }] } }";
const parse = (text: string, nodes = NODES): HostConfig => parseConfig(text, 'f', {}, nodes);

describe('workers', () => {
  test('each may run on all CPUs of the node', () => {
    expect(parse(`engine: { workers: 2, numa-node: 1 }\n${VM}`).engine.workerCpus).toEqual([
      [1, 4, 5, 6],
      [1, 4, 5, 6],
    ]);
  });

  test('with cpus each is pinned to its own, on a node or not', () => {
    expect(parse(`engine: { cpus: [1], numa-node: 1 }\n${VM}`).engine.workerCpus).toEqual([[1]]);
    expect(parse(`engine: { cpus: [1, 0] }\n${VM}`).engine.workerCpus).toEqual([[1], [0]]);
  });

  test('without either the scheduler places them', () => {
    expect(parse(VM).engine).not.toHaveProperty('workerCpus');
  });
});

describe('memory', () => {
  const nodesOf = ({ regions, vms }: HostConfig) => [regions.get('lan')?.numaNode, vms.get('vm1')?.numaNode];
  const text = (engine: string, region: string, vm: string): string =>
    `engine: { ${engine} }\nregions: { lan: { ${region} } }\nvms: { vm1: { region: lan, devices: [{ port: 'null:a' }], ${vm} } }`;

  test('a region and a VM say where theirs comes from', () => {
    expect(nodesOf(parse(text('', 'numa-node: 1', 'numa-node: 2')))).toEqual([1, 2]);
    expect(nodesOf(parse(text('numa-node: 0', 'numa-node: 1', 'numa-node: 2')))).toEqual([1, 2]);
  });

  test("it comes from the workers' node when only that is given, and has memory", () => {
    expect(nodesOf(parse(text('numa-node: 1', '', '')))).toEqual([1, 1]);
    expect(nodesOf(parse(text('numa-node: 3', '', '')))).toEqual([undefined, undefined]);
    expect(nodesOf(parse(text('cpus: [1]', '', '')))).toEqual([undefined, undefined]);
  });
});

describe('what cannot be', () => {
  const region = (node: unknown): string => `regions: { lan: { numa-node: ${node} } }\n${VM}`;
  const vm = (node: unknown): string => `vms: { vm1: { devices: [{ port: 'null:a' }], numa-node: ${node} } }`;

  test.each([
    [
      `engine: { numa-node: 4 }\n${VM}`,
      'f: engine.numa-node: there is no NUMA node 4 here: 0-1,3 would be right',
    ],
    [`engine: { numa-node: 2 }\n${VM}`, 'f: engine.numa-node: NUMA node 2 has no CPUs: 0-1,3 would be right'],
    [region(4), 'f: regions.lan.numa-node: there is no NUMA node 4 here: 0-2 would be right'],
    [region(3), 'f: regions.lan.numa-node: NUMA node 3 has no memory: 0-2 would be right'],
    [vm(4), 'f: vms.vm1.numa-node: there is no NUMA node 4 here: 0-2 would be right'],
    [vm(3), 'f: vms.vm1.numa-node: NUMA node 3 has no memory: 0-2 would be right'],
    [
      `engine: { cpus: [1, 0], numa-node: 1 }\n${VM}`,
      'f: engine.cpus: 0 is not a CPU of NUMA node 1: 1,4-6 would be right',
    ],
    [
      `engine: { numa-node: -1 }\n${VM}`,
      'f: engine.numa-node: -1 is not a whole number from 0 to 1023: 0 would be right',
    ],
    [
      region(1024),
      'f: regions.lan.numa-node: 1024 is not a whole number from 0 to 1023: 1023 would be right',
    ],
    [vm("'0'"), "f: vms.vm1.numa-node: '0' is not a whole number from 0 to 1023: 0 would be right"],
  ])('%j', (text, message) => {
    expect(messageOf(text, NODES)).toBe(message);
  });

  test.each([
    [`engine: { numa-node: 0 }\n${VM}`, 'engine.numa-node'],
    [region(0), 'regions.lan.numa-node'],
    [vm(0), 'vms.vm1.numa-node'],
  ])('on a machine without nodes: %j', (text, path) => {
    expect(messageOf(text, new Map())).toBe(
      `f: ${path}: this machine has no NUMA nodes (no /sys/devices/system/node): a file without numa-node would be right`,
    );
    expect(() => parse(VM, new Map())).not.toThrow();
  });

  test('on this machine the nodes are those that the kernel lists', () => {
    const listed = formatList([...readNumaNodes().keys()]);
    expect(() => parseConfig(`engine: { numa-node: 1023 }\n${VM}`, 'f')).toThrow(
      listed === ''
        ? 'this machine has no NUMA nodes'
        : `there is no NUMA node 1023 here: ${listed} would be right`,
    );
  });
});

describe('warnings', () => {
  const warnings = (engine: string, region: string, vm2: string): string[] =>
    configWarnings(
      parse(`
engine: { ${engine} }
regions: { lan: { ${region} } }
vms:
  vm1: { region: lan, devices: [{ port: 'null:a' }] }
  vm2: { devices: [{ port: 'null:b' }], ${vm2} }`),
      NODES,
    );
  const FAR = 'what they read and write has to cross from node to node';

  test('memory apart from the workers is said aloud', () => {
    expect(warnings('numa-node: 0', 'numa-node: 1', 'numa-node: 2')).toEqual([
      `regions.lan.numa-node: its memory is on NUMA node 1 and workers run on 0: ${FAR}`,
      `vms.vm2.numa-node: its memory is on NUMA node 2 and workers run on 0: ${FAR}`,
    ]);
    expect(warnings('cpus: [0, 1]', 'numa-node: 1', '')).toEqual([
      `regions.lan.numa-node: its memory is on NUMA node 1 and workers run on 0-1: ${FAR}`,
    ]);
  });

  test('memory beside the workers needs no warning, nor do workers or memory that may be anywhere', () => {
    expect(warnings('numa-node: 1', '', 'numa-node: 1')).toEqual([]);
    expect(warnings('cpus: [1]', 'numa-node: 1', '')).toEqual([]);
    expect(warnings('', 'numa-node: 1', 'numa-node: 0')).toEqual([]);
    expect(warnings('cpus: [1]', '', '')).toEqual([]);
  });
});

describe("the kernel's list of nodes", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ptnet-numa-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);

  test('is read with the CPUs of each and whether it has memory', () => {
    write('online', '0-1,8\n');
    write('has_memory', '0,8\n');
    for (const [node, cpus] of Object.entries({ node0: '0-2,7', node1: '3', node8: '' })) {
      mkdirSync(join(folder, node));
      write(`${node}/cpulist`, `${cpus}\n`);
    }
    expect(readNumaNodes(folder)).toEqual(
      new Map([
        [0, { cpus: [0, 1, 2, 7], memory: true }],
        [1, { cpus: [3], memory: false }],
        [8, { cpus: [], memory: true }],
      ]),
    );
  });

  test('is empty where the kernel has none', () => {
    expect(readNumaNodes(join(folder, 'none'))).toEqual(new Map());
  });

  test.each([[[]], [[3]], [[0, 1, 2]], [[0, 2, 3, 9, 11, 12]]])('%j is written as it is read', (numbers) => {
    write('online', `${formatList(numbers)}\n`);
    write('has_memory', '\n');
    for (const node of numbers) {
      mkdirSync(join(folder, `node${node}`));
      write(`node${node}/cpulist`, '\n');
    }
    expect([...readNumaNodes(folder).keys()]).toEqual(numbers);
  });
});
