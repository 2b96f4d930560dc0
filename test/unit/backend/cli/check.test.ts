// `ptnet check` and `ptnet explain` in this process: exit codes, text and JSON, and wrong input.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CHECK_IDS } from '../../../../backend/check/catalog/index.ts';
import { describeFindings } from '../../../../backend/cli/findings-text.ts';
import { run } from '../../../../backend/cli/program.ts';
import { FakeIo } from './fake-io.ts';

let folder: string;
let io: FakeIo;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-cli-'));
  io = new FakeIo();
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(text: string, name = 'host.yaml'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
const ptnet = (...args: string[]): Promise<number> =>
  run(args, io, async () => {
    throw new Error('nothing is to be started');
  });

const VALE = "vms:\n  vm1: { devices: [{ port: 'vale0:1' }] }\n  vm2: { devices: [{ port: 'vale0:2' }] }\n";

describe('check', () => {
  test('a file that is wrong: each finding with its place, exit code 1', async () => {
    const path = file("vms:\n  vm1: { devices: [{ port: 'p{1' }] }\n");
    expect(await ptnet('check', path)).toBe(1);
    expect(io.stdout).toBe(`fail  pipe-ends: vms.vm1.devices[0].port
      ${path}:2:28: vms.vm1.devices[0].port: 'p{1' has no other end: a device with port 'p}1' would be right
          2 |   vm1: { devices: [{ port: 'p{1' }] }
            |                            ^
      do: Add a device whose port is the other end.
0 passed, 0 warnings, 1 failure ('ptnet explain ID' says more)
`);
    expect(io.stderr).toBe('');
  });

  test('--json has all findings, and the exit code is that of its summary', async () => {
    const code = await ptnet('check', file(VALE), '--json', '--run-dir', join(folder, 'run'));
    const { summary, findings } = JSON.parse(io.stdout);
    expect(code).toBe(summary.fail === 0 ? 0 : 1);
    expect(summary.pass).toBeGreaterThan(20);
    for (const finding of findings) {
      expect(CHECK_IDS).toContain(finding.id);
      expect(['pass', 'warn', 'fail']).toContain(finding.status);
      expect(finding.evidence).not.toBe('');
    }
  });

  test('--command: the VM is looked at as its script starts it', async () => {
    const script = file('#!/bin/sh\nexec qemu-system-x86_64 -m 512M \\\n  -device intel-iommu\n', 'vm1.sh');
    expect(await ptnet('check', file(VALE), '--json', '--command', `vm1=${script}`)).toBe(1);
    const { findings } = JSON.parse(io.stdout);
    const of = (id: string, object: string) =>
      findings.find(
        (finding: { id: string; object: string }) => finding.id === id && finding.object === object,
      ).status;
    expect(of('shared-memory', 'vms.vm1')).toBe('fail');
    expect(of('viommu', 'vms.vm1')).toBe('warn');
    expect(of('shared-memory', 'vms.vm2')).toBe('pass');
  });

  test.each([
    ['vm3=x', "there is no VM 'vm3'"],
    ['vm1', "'vm1=start-vm1.sh' would be right"],
    ['vm1=/nowhere', '/nowhere: cannot be read'],
    ['vm1=/dev/zero', '/dev/zero: cannot be read: it has more than 16777216 bytes'],
    ['vm1=/etc/hostname', '/etc/hostname has no QEMU command'],
  ])('--command %s is refused with exit code 2', async (value, says) => {
    expect(await ptnet('check', file(VALE), '--command', value)).toBe(2);
    expect(io.stderr).toContain(says);
    expect(io.stdout).toBe('');
  });

  test('a file that cannot be read is exit code 2', async () => {
    expect(await ptnet('check', join(folder, 'nowhere.yaml'))).toBe(2);
    expect(io.stderr).toContain('cannot be read');
  });

  test('broken YAML is a finding', async () => {
    expect(await ptnet('check', file('vms: ['))).toBe(1);
    expect(io.stdout).toMatch(/^fail {2}file-form: file\n/);
  });
});

test('findings: the worst last, passes when they are asked for, no colours unless wanted', () => {
  const findings = [
    { id: 'qemu-there', object: 'host', status: 'fail', evidence: 'none', remedy: 'install one' },
    { id: 'viommu', object: 'vms.vm1', status: 'pass', evidence: 'none' },
    { id: 'pci-ids', object: 'vms.vm1', status: 'warn', evidence: 'q35', remedy: 'pc' },
  ] as const;
  const short = describeFindings(findings, false, false);
  expect(short).toBe(`warn  pci-ids: vms.vm1
      q35
      do: pc
fail  qemu-there: host
      none
      do: install one
1 passed, 1 warning, 1 failure (--all shows what passed; 'ptnet explain ID' says more)
`);
  expect(describeFindings(findings, true, false)).toContain('pass  viommu: vms.vm1\n      none\nwarn');
  expect(describeFindings(findings.slice(1, 2), true, false)).toContain('1 passed, 0 warnings, 0 failures\n');
});

describe('explain', () => {
  test('one check', async () => {
    expect(await ptnet('explain', 'shared-memory')).toBe(0);
    expect(io.stdout).toMatch(/^shared-memory\n\nIt passes when: .*\nWhy: .*CSB.*\nWhat to do: .*share=on/);
  });

  test('all of them', async () => {
    expect(await ptnet('explain')).toBe(0);
    expect(io.stdout.trimEnd().split('\n')).toHaveLength(CHECK_IDS.length);
  });

  test('--json', async () => {
    expect(await ptnet('explain', 'viommu', '--json')).toBe(0);
    expect(JSON.parse(io.stdout).checks).toMatchObject([{ id: 'viommu', says: expect.any(String) }]);
  });

  test.each([
    ['shared-memroy', "there is no check 'shared-memroy': 'shared-memory' would be right"],
    ['x', "there is no check 'x': one that 'ptnet explain' lists would be right"],
  ])('%s is not there', async (id, says) => {
    expect(await ptnet('explain', id)).toBe(2);
    expect(io.stderr).toBe(`ptnet: ${says}\n`);
  });
});
