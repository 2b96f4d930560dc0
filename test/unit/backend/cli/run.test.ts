// `ptnet run`: the command line that QEMU gets, the host that it gets it for, and how both end; QEMU is a script that tells.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { run } from '../../../../backend/cli/program.ts';
import type { HostConfig } from '../../../../backend/config/host-config.ts';
import { FakeIo } from './fake-io.ts';

let folder: string;
let io: FakeIo;
let started: number;
let closed: number;
let attached: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-run-'));
  writeFileSync(
    join(folder, 'host.yaml'),
    "vms:\n  vm1: { devices: [{ port: 'vale0:1' }] }\n  vm2: { devices: [{ port: 'vale0:2' }] }\n",
  );
  io = new FakeIo();
  started = 0;
  closed = 0;
  attached = [];
  vi.stubEnv('PATH', `${folder}:/usr/bin:/bin`);
  vi.stubEnv('PTNET_CACHE', join(folder, 'cache'));
  qemu('exit 0');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** Keeps its arguments in a file, then does what it is told. */
function qemu(what: string, version = '11.1.3'): void {
  const script = `#!/bin/sh
case "$1" in
  --version) echo "QEMU emulator version ${version}"; exit ;;
  -device) exit ;;
  -machine) exit 1 ;;
esac
for arg; do echo "$arg"; done > ${folder}/new && mv ${folder}/new ${folder}/args
${what}
`;
  writeFileSync(join(folder, 'qemu-system-x86_64'), script, { mode: 0o755 });
}

const ptnet = (...args: string[]): Promise<number> =>
  run(['run', join(folder, 'host.yaml'), '--run-dir', folder, ...args], io, async (config) => {
    started++;
    return {
      config: config as HostConfig,
      get attached() {
        return attached;
      },
      stats: () => ({}),
      close: async () => {
        closed++;
      },
    };
  });
const lastArgs = (): string[] => readFileSync(join(folder, 'args'), 'utf8').trimEnd().split('\n');

test('QEMU gets what attaches the VM, then what the user adds; the host ends with it', async () => {
  expect(await ptnet('vm1', '--', 'disk.img', '-smp', '2')).toBe(0);
  const args = lastArgs();
  expect(args.slice(0, 4)).toEqual(['-name', 'vm1', '-machine', 'pc,memory-backend=mem']);
  expect(args.filter((_, i) => args[i - 1] === '-accel')).toEqual(['tcg']);
  expect(args.join(' ')).toContain(`"path":"${folder}/vm1/net0.sock"`);
  expect(args.slice(-4)).toEqual(['-nographic', 'disk.img', '-smp', '2']);
  expect({ started, closed }).toEqual({ started: 1, closed: 1 });
  expect(io.stderr).toMatch(
    /^ptnet: vm1: QEMU 11\.1\.3 on the PATH; under software .*; a host of its own\n$/m,
  );
  expect(io.stdout).toBe('');
});

test('a QEMU that fails is a failure, and the host ends too', async () => {
  qemu('exit 3');
  expect(await ptnet('vm1')).toBe(1);
  expect(io.stderr).toContain('ptnet: vm1: QEMU ended with exit code 3: it says why above\n');
  expect(closed).toBe(1);
});

test('when it is asked to end, QEMU is, and that is no failure', async () => {
  qemu(`trap 'exit 5' TERM; while :; do sleep 0.05; done`);
  const done = ptnet('vm1');
  await vi.waitFor(lastArgs);
  io.stop();
  expect(await done).toBe(0);
  expect(closed).toBe(1);
});

test('the host stays for the other VMs that have come, until they have gone', async () => {
  attached = ['vm1', 'vm2'];
  const done = ptnet('vm1');
  await vi.waitFor(() => expect(io.stderr).toContain('vm1 has ended; the host stays for vm2, until'));
  expect(closed).toBe(0);
  attached = [];
  expect(await done).toBe(0);
  expect(closed).toBe(1);
});

test('a host that serves the VM is used, and left alone', async () => {
  mkdirSync(join(folder, 'vm1'));
  const server = createServer((socket) => socket.destroy()).listen(join(folder, 'vm1', 'mem.sock'));
  try {
    expect(await ptnet('vm1')).toBe(0);
    expect({ started, closed }).toEqual({ started: 0, closed: 0 });
    expect(io.stderr).toContain(`; the host that runs in ${folder}\n`);
  } finally {
    server.close();
  }
});

test('without a QEMU that will do it says what would', async () => {
  qemu('exit 0', '7.2.19');
  expect(await ptnet('vm1')).toBe(1);
  expect(io.stderr).toBe(
    "ptnet: no QEMU here has vfio-user-pci (qemu-system-x86_64 on the PATH: it is version 7.2.19: vfio-user needs 10.1): QEMU 10.1 or newer on the PATH would be right, or --fetch, which unpacks Debian's into the cache (root, on a Debian)\n",
  );
  expect(started).toBe(0);
});

test.each([
  [['vm9'], /there is no VM 'vm9': 'vm1' would be right\n$/],
  [['vm1', '--', '-m', '1G'], /-m: not for the command line: 'memory' of vm1 in the file would be right\n$/],
  [['vm1', '-hda', 'x'], /unknown option '-hda'/],
  [[], /missing required argument 'vm'/],
])('%j is refused with exit code 2, and nothing is started', async (args, message) => {
  expect(await ptnet(...args)).toBe(2);
  expect(io.stderr).toMatch(message);
  expect(started).toBe(0);
});
