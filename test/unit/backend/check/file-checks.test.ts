// The checks of a file by itself: each with a file that it fails on and one that it passes.
import { describe, expect, test } from 'vitest';
import { FILE } from '../../../../backend/check/catalog/file.ts';
import type { FileCheck } from '../../../../backend/config/file-checks.ts';
import { findings, VALE, worst } from './findings.ts';

const one = (device: string, rest = ''): string => `vms: { vm1: { devices: [${device}] } }\n${rest}`;
const PIPE = `
regions: { lan: }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1' }] }
  vm2: { region: lan, devices: [{ port: 'p}1' }] }
`;

interface Case {
  readonly wrong: string;
  readonly says: RegExp;
  readonly right: string;
}

const CASES: Readonly<Record<FileCheck, Case>> = {
  'file-form': { wrong: 'vms: { vm1: { device: [] } }', says: /unknown key 'device'/, right: VALE },
  'file-empty': { wrong: 'vms: {}', says: /there is none/, right: VALE },
  'socket-group': {
    wrong: `socket-group: nosuchgroup\n${VALE}`,
    says: /there is no group 'nosuchgroup'/,
    right: `socket-group: '0'\n${VALE}`,
  },
  'socket-path': {
    wrong: `run-dir: /${'x'.repeat(100)}\n${VALE}`,
    says: /too many for a socket/,
    right: VALE,
  },
  'vm-name': {
    wrong: VALE.replace('vm1', 'control.sock'),
    says: /the name of the host's own socket/,
    right: VALE,
  },
  'worker-cpus': {
    wrong: `engine: { cpus: [4000] }\n${VALE}`,
    says: /is not a CPU/,
    right: `engine: { cpus: [0] }\n${VALE}`,
  },
  'numa-node': {
    wrong: `engine: { numa-node: 1000 }\n${VALE}`,
    says: /NUMA node/,
    right: `regions: { lan: { numa-node: 0 } }\nvms: { vm1: { region: lan, devices: [{ port: 'null:a' }] } }`,
  },
  'region-id': { wrong: `regions: { a: { id: 5 }, b: { id: 5 } }\n${VALE}`, says: /already/, right: PIPE },
  'region-name': {
    wrong: 'regions: { lan: }\nvms: { vm1: { region: lam, devices: [{ port: null:a }] } }',
    says: /there is no region 'lam': 'lan' would be right/,
    right: PIPE,
  },
  'region-room': {
    wrong: "regions: { lan: { buf-num: 100 } }\nvms: { vm1: { region: lan, devices: [{ port: 'null:a' }] } }",
    says: /100 buffers are too few .* 2050 would be right/,
    right: PIPE,
  },
  'pci-slots': {
    wrong: one(Array.from({ length: 29 }, (_, i) => `{ port: 'null:${i}' }`).join(', ')),
    says: /29 devices/,
    right: VALE,
  },
  'device-name': {
    wrong: one("{ name: a, port: 'null:a' }, { name: a, port: 'null:b' }"),
    says: /already/,
    right: VALE,
  },
  'doorbell-window': {
    wrong: one("{ port: 'null:a' }", "ports: { 'null:a': { tx-rings: 31, rx-rings: 2 } }"),
    says: /31 tx and 2 rx rings/,
    right: one("{ port: 'null:a' }", "ports: { 'null:a': { tx-rings: 16, rx-rings: 16 } }"),
  },
  'port-keys': {
    wrong: one("{ port: 'vale0:1' }", "ports: { 'vale0:1': { source: {} } }"),
    says: /is not a null port/,
    right: one("{ port: 'null:a' }", "ports: { 'null:a': { source: {} } }"),
  },
  'port-owner': {
    wrong: one("{ port: 'null:a' }, { port: 'null:a' }"),
    says: /belongs to vm1's net0/,
    right: VALE,
  },
  'port-parent': {
    wrong: one("{ port: 'null:a/rt' }"),
    says: /is a monitor of 'null:a', and there is no such port/,
    right: one("{ port: 'null:a' }, { port: 'null:a/rt' }"),
  },
  'switch-name': {
    wrong: one("{ port: 'valeO:1' }", 'switches: { vale0: }'),
    says: /there is no switch 'valeO' under switches: 'vale0' would be right/,
    right: VALE,
  },
  'switch-member': {
    wrong: `switches: { vale0: { members: ['null:a'] } }\n${VALE}`,
    says: /cannot stand on a switch/,
    right: `switches: { vale0: { members: ['tap:lan'] } }\n${VALE}`,
  },
  'switch-size': {
    wrong: `vms:\n${Array.from({ length: 10 }, (_, v) => `  vm${v}: { devices: [${Array.from({ length: 26 }, (_, d) => `{ port: 'vale0:${v}_${d}' }`).join(', ')}] }`).join('\n')}`,
    says: /has 260 ports/,
    right: VALE,
  },
  'mac-unique': {
    wrong: one(
      "{ port: 'vale0:1', mac: '02:00:00:00:00:09' }, { port: 'vale0:2', mac: '02:00:00:00:00:09' }",
    ),
    says: /is the address of vm1's net0 on switch 'vale0'/,
    right: VALE,
  },
  'interface-owner': {
    wrong: one("{ port: 'tap:lan' }", "switches: { vale0: { members: ['netmap:lan'] } }"),
    says: /are the same interface/,
    right: VALE,
  },
  'rate-limit': {
    wrong: one("{ port: 'null:a' }", "ports: { 'null:a': { rate: {} } }"),
    says: /names no direction/,
    right: one("{ port: 'null:a' }", "ports: { 'null:a': { rate: 1Gbit } }"),
  },
  'pipe-ends': { wrong: one("{ port: 'p{1' }"), says: /has no other end/, right: PIPE },
  'pipe-agrees': {
    wrong: PIPE.replace('vm2: { region: lan,', 'vm2: {'),
    says: /'region: lan' for both/,
    right: PIPE,
  },
  'ring-pairs': {
    wrong: one("{ port: 'echo:a' }", "ports: { 'echo:a': { tx-rings: 2 } }"),
    says: /the same number would be right/,
    right: VALE,
  },
  'lookup-ports': {
    wrong: `switches: { vale0: { lookup: { isolated: { promiscuous: ['vale0:9'] } } } }\n${VALE}`,
    says: /is not on switch 'vale0'/,
    right: `switches: { vale0: { lookup: { isolated: { promiscuous: ['vale0:1'] } } } }\n${VALE}`,
  },
};

describe.each(Object.keys(FILE) as FileCheck[])('%s', (id) => {
  const { wrong, says, right } = CASES[id];

  test('fails, and says where', () => {
    const finding = worst(id, wrong);
    expect(finding.status).toBe('fail');
    expect(finding.evidence).toMatch(says);
    expect(finding.evidence).toMatch(/^test\.yaml:\d+:\d+: /);
    expect(finding.remedy).toBeTruthy();
  });

  test('passes, and says what was seen', () => {
    const finding = worst(id, right);
    expect(finding).toMatchObject({ status: 'pass' });
    expect(finding.evidence).not.toBe('');
  });
});

test('a text that is no YAML is a finding too', () => {
  expect(findings('vms: [')).toMatchObject([{ id: 'file-form', object: 'file', status: 'fail' }]);
});

test('all mistakes of a file are found at once, each by its check', () => {
  const ids = findings(`
regions: { a: { id: 5 }, b: { id: 5 } }
vms: { vm1: { region: c, devices: [{ name: x, port: 'null:a' }, { name: x, port: 'null:b' }] } }
`).map(({ id }) => id);
  expect(ids.toSorted()).toEqual(['device-name', 'region-id', 'region-name']);
});

test('the arithmetic of a region stands in the evidence', () => {
  expect(worst('region-room', PIPE).evidence).toBe(
    '2 of 100 netmap_if of 88 of 1024 bytes, 4 of 200 rings of 16640 of 36864 bytes, 2050 of 163840 buffers of 2048 bytes',
  );
});
