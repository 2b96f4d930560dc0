// The checks of a file on a machine: each where it warns or fails, and where it passes.
import { describe, expect, test } from 'vitest';
import { MACHINE } from '../../../../backend/check/catalog/machine.ts';
import { link } from './fake-machine.ts';
import { findings, VALE, worst } from './findings.ts';
import { MACHINE_CASES } from './machine-cases.ts';
import { VM_CASES } from './vm-cases.ts';

const CASES = [...VM_CASES, ...MACHINE_CASES];

test.each(CASES)('$id: $status $name$says', ({ id, status, says, yaml, machine, command: words }) => {
  const finding = worst(id, yaml, machine, words);
  expect(finding).toMatchObject({ status });
  expect(finding.evidence).toMatch(says);
  expect(finding.remedy !== undefined).toBe(status !== 'pass');
});

describe.each(Object.keys(MACHINE))('%s', (id) => {
  test('is tried where it passes and where it does not', () => {
    const tried = CASES.filter((one) => one.id === id).map(({ status }) => status !== 'pass');
    expect(new Set(tried)).toEqual(new Set([true, false]));
  });
});

test('MAC addresses that are there twice on different switches, or on this machine, are warned of', () => {
  const mac = "mac: '02:00:00:00:00:09'";
  const yaml = `vms: { vm1: { devices: [{ port: 'null:a', ${mac} }, { port: 'null:b', ${mac} }] } }`;
  expect(worst('mac-unique', yaml)).toMatchObject({
    status: 'warn',
    evidence: expect.stringMatching(/vm1's net0/),
  });
  const one = `vms: { vm1: { devices: [{ port: 'null:a', ${mac} }] } }`;
  const interfaces = [link('eth0', 2, { mac: '02:00:00:00:00:09' })];
  expect(worst('mac-unique', one, { interfaces }).evidence).toMatch(/this machine's 'eth0'/);
});

test('memory far from the workers is warned of', () => {
  const nodes = new Map([0, 1].map((node) => [node, { cpus: [node], memory: true }]));
  const yaml = "engine: { cpus: [0] }\nvms: { vm1: { numa-node: 1, devices: [{ port: 'null:a' }] } }";
  expect(worst('numa-node', yaml, { nodes })).toMatchObject({ status: 'warn', object: 'vms.vm1.numa-node' });
});

test('a misspelled switch is found by its look', () => {
  const yaml = "vms: { vm1: { devices: [{ port: 'vale0:1' }, { port: 'vale0:2' }, { port: 'valeO:3' }] } }";
  expect(worst('switch-ports', yaml)).toMatchObject({
    status: 'warn',
    object: 'switches.valeO',
    remedy: "'vale0' may be the switch that was meant",
  });
});

test('applications are in regions, have ports and come to switches, as VMs do', () => {
  const yaml = `
regions: { lan: }
ports: { 'vale1:x': { rx-slots: 512 } }
applications: { region: lan }
vms: { vm1: { devices: [{ port: 'vale0:1' }] } }`;
  for (const id of ['region-used', 'port-used', 'switch-ports'] as const)
    expect(worst(id, yaml).status, id).toBe('pass');
  const shared = yaml.replace('vm1: {', 'vm1: { region: lan,');
  expect(worst('region-trust', shared)).toMatchObject({
    status: 'warn',
    evidence: expect.stringContaining('shared by vm1, the applications'),
  });
});

test('a plain switch on a machine that has everything: nothing but passes', () => {
  const others = findings(VALE).filter(({ status }) => status !== 'pass');
  expect(others).toEqual([]);
});
