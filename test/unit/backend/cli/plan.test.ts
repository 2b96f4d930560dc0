// `ptnet plan`: text to paste, notes as comments in it, JSON for scripts, and VMs that are not there.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HYPERVISORS } from '../../../../backend/cli/plan.ts';
import { EXIT_USAGE, run } from '../../../../backend/cli/program.ts';
import { FakeIo } from './fake-io.ts';

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-plan-'));
  file = join(folder, 'host.yaml');
  writeFileSync(
    file,
    "vms:\n  vm1: { devices: [{ port: 'vale0:1' }] }\n  vm2: { devices: [{ port: 'null:a' }] }\n",
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

async function ptnet(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = new FakeIo();
  const code = await run(['plan', ...args], io, () => Promise.reject(new Error('starts a host')));
  return { code, out: io.stdout, err: io.stderr };
}

describe.each(HYPERVISORS)('for %s', (hypervisor) => {
  test('one VM, with its notes', async () => {
    const { code, out } = await ptnet(file, 'vm1', '--for', hypervisor);
    expect(code).toBe(0);
    expect(out).toMatch(/^(# |<!-- )vm1: net0 is vale0:1\n/);
    expect(out).not.toContain('vm2');
  });

  test('all of them, as one object', async () => {
    const { out } = await ptnet(file, '--for', hypervisor, '--json', '--run-dir', '/x');
    const { vms, ...rest } = JSON.parse(out);
    expect(rest).toEqual({ for: hypervisor });
    expect(vms).toMatchObject([
      { name: 'vm1', devices: [{ socketPath: '/x/vm1/mem.sock' }, { port: 'vale0:1' }] },
      { name: 'vm2', devices: [{ socketPath: '/x/vm2/mem.sock' }, { port: 'null:a' }] },
    ]);
  });
});

test.each(['qemu', 'cloud-hypervisor', 'bhyve'])(
  'a shell takes all of the text for %s',
  async (hypervisor) => {
    const { out } = await ptnet(file, '--for', hypervisor);
    execFileSync('sh', ['-n'], { input: out });
    const programs = out.split('\n').filter((line) => /^(qemu|cloud|bhyve)/.test(line));
    expect(programs).toHaveLength(hypervisor === 'bhyve' ? 1 : 2);
  },
);

test('what bhyve cannot have is said', async () => {
  const { out } = await ptnet(file, 'vm2', '--for', 'bhyve');
  expect(out).toContain('# net0 is null:a: bhyve has no such backend\n');
});

test.each([
  [['vm3'], `there is no VM 'vm3': 'vm1' would be right\n`],
  [['zzzzzz'], `there is no VM 'zzzzzz': 'vm1' or 'vm2' would be right\n`],
  [['vm1', '--for', 'xen'], 'Allowed choices are qemu, libvirt, cloud-hypervisor, bhyve.\n'],
])('%j is refused', async (args, end) => {
  const { code, out, err } = await ptnet(file, ...args);
  expect(code).toBe(EXIT_USAGE);
  expect(out).toBe('');
  expect(err.endsWith(end)).toBe(true);
});
