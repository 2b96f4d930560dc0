// `ptnet plan`: text to paste, notes as comments in it, JSON for scripts, and VMs that are not there.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HYPERVISORS } from '../../../../backend/cli/plan.ts';
import { EXIT_USAGE, run } from '../../../../backend/cli/program.ts';
import { QEMU } from '../../../../vm-images/artifacts.ts';
import { artifactFolder } from '../../../../vm-images/cache.ts';
import { FakeIo } from './fake-io.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-plan-'));
  file = join(folder, 'host.yaml');
  writeFileSync(
    file,
    "vms:\n  vm1: { devices: [{ port: 'vale0:1' }] }\n  vm2: { devices: [{ port: 'null:a' }] }\n",
  );
  // No QEMU is here unless a test puts one there: what is printed is for any.
  vi.stubEnv('PATH', folder);
  vi.stubEnv('PTNET_CACHE', join(folder, 'cache'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** A program that calls itself such a QEMU, has vfio-user-pci and starts no machine. @param skip arguments before its own */
function fakeQemu(path: string, version: string, skip = 0): void {
  writeFileSync(
    path,
    `#!/bin/sh
shift ${skip}
case "$1" in
  --version) echo "QEMU emulator version ${version}" ;;
  -device) echo vfio-user-pci options: ;;
  *) echo "no machine" >&2; exit 1 ;;
esac
`,
    { mode: 0o755 },
  );
}

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
    execFileSync('/bin/sh', ['-n'], { input: out });
    const programs = out.split('\n').filter((line) => /^(qemu|cloud|bhyve)/.test(line));
    expect(programs).toHaveLength(hypervisor === 'bhyve' ? 1 : 2);
  },
);

describe('the QEMU that it is for', () => {
  const qemuText = async () => (await ptnet(file, 'vm1')).out;

  test('none here will do: any that will, and why these do not', async () => {
    fakeQemu(join(folder, 'qemu-system-x86_64'), '7.2.19');
    expect(await qemuText()).toContain(`
# QEMU 10.1 or newer
# no QEMU here has vfio-user-pci (qemu-system-x86_64 on the PATH: it is version 7.2.19: vfio-user needs 10.1)
`);
    expect(await qemuText()).toContain('\nqemu-system-x86_64 \\\n  -name vm1 \\\n');
    expect(await qemuText()).toContain('  -accel kvm \\\n  -accel tcg \\\n');
  });

  test("the PATH's, with the accelerator that it starts a machine with", async () => {
    fakeQemu(join(folder, 'qemu-system-x86_64'), '11.1.3');
    expect(await qemuText()).toMatch(
      /\n# QEMU 11\.1\.3 on the PATH; under software emulation \(.*\/dev\/kvm.*\)\n/,
    );
    expect(await qemuText()).toContain('\n  -accel tcg \\\n');
    expect(await qemuText()).not.toContain('-accel kvm');
  });

  test("the cache's, with the loader that runs it", async () => {
    const root = artifactFolder(QEMU);
    const loader = join(root, 'usr/lib64/ld-linux-x86-64.so.2');
    mkdirSync(dirname(loader), { recursive: true });
    // Its own arguments come after the loader's: --library-path, the folder, QEMU, and two folders for -L.
    fakeQemu(loader, '11.0.0', 7);
    const text = await qemuText();
    expect(text).toMatch(
      /\n# QEMU 11\.0\.0 of ptnetmap's cache, run by the loader that came with it; under /,
    );
    expect(text).toContain(
      `\n${loader} \\\n  --library-path ${root}/usr/lib/x86_64-linux-gnu ${root}/usr/bin/qemu-system-x86_64 \\\n  -L `,
    );
    const { vms } = JSON.parse((await ptnet(file, 'vm1', '--json')).out);
    expect(vms[0].program).toBe(loader);
    expect(vms[0].args.slice(0, 1)).toEqual(['--library-path']);
  });
});

describe("libvirt's domain", () => {
  const domain = async () => (await ptnet(file, 'vm1', '--for', 'libvirt')).out;

  test('says which QEMU it is for, and is emulated where that one has no KVM', async () => {
    fakeQemu(join(folder, 'qemu-system-x86_64'), '11.1.3');
    expect(await domain()).toContain('QEMU 11.1.3 on the PATH; under software emulation');
    expect(await domain()).toContain("<domain type='qemu' ");
    expect(await domain()).not.toContain('<emulator>');
  });

  test('for any QEMU it asks for KVM', async () => {
    expect(await domain()).toContain("<domain type='kvm' ");
    expect(await domain()).toContain('QEMU 10.1 or newer');
  });

  test("the cache's QEMU wants a script", async () => {
    const loader = join(artifactFolder(QEMU), 'usr/lib64/ld-linux-x86-64.so.2');
    mkdirSync(dirname(loader), { recursive: true });
    fakeQemu(loader, '11.0.0', 7);
    expect(await domain()).toContain("has to be the domain's <emulator>");
  });
});

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
