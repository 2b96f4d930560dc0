// The `ptnet` command in this process: help, exit codes, what goes to stdout and what to stderr.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { allCommands, commandTree } from '../../../../backend/cli/command-tree.ts';
import { createProgram, run } from '../../../../backend/cli/program.ts';
import type { StartHost } from '../../../../backend/cli/up.ts';
import type { HostConfig } from '../../../../backend/config/host-config.ts';
import { readNumaNodes } from '../../../../backend/config/numa-nodes.ts';
import { FakeIo } from './fake-io.ts';

const CONFIG = `
regions: { lan: }
vms:
  vm1: { region: lan, devices: [{ port: 'p{1' }] }
  vm2: { region: lan, machine: q35, memory: 1G, devices: [{ port: 'p}1' }] }
`;

/** Remembers what it was started with and how often it was closed. */
class FakeHosts {
  configs: HostConfig[] = [];
  closed = 0;
  start: StartHost = async (config) => {
    this.configs.push(config as HostConfig);
    return {
      config: config as HostConfig,
      attached: [],
      stats: () => ({ time: 'now', ports: [] }),
      close: async () => {
        this.closed++;
      },
    };
  };
}

let folder: string;
let io: FakeIo;
let hosts: FakeHosts;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-cli-'));
  io = new FakeIo();
  hosts = new FakeHosts();
  // No QEMU is here: what is printed is for any.
  vi.stubEnv('PATH', folder);
  vi.stubEnv('PTNET_CACHE', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function file(text: string): string {
  const path = join(folder, 'host.yaml');
  writeFileSync(path, text);
  return path;
}
const ptnet = (...args: string[]): Promise<number> => run(args, io, hosts.start);

describe('help and usage', () => {
  test.each(
    allCommands(commandTree(createProgram(new FakeIo(), async () => Promise.reject()))).map(
      ({ path }) => path,
    ),
  )('%s --help has examples of it', async (path) => {
    expect(await ptnet(...path.split(' ').filter((word) => word !== ''), '--help')).toBe(0);
    if (path !== '') expect(io.stdout).toMatch(new RegExp(`Examples?:\\n(.*\\n)*? +ptnet ${path}\\b`));
  });

  test('--help lists the commands on stdout', async () => {
    expect(await ptnet('--help')).toBe(0);
    expect(io.stdout).toContain('Usage: ptnet [options] [command]');
    expect(io.stdout).toContain('up [options] <file>');
    expect(io.stderr).toBe('');
  });

  test('up --help lists its options', async () => {
    expect(await ptnet('up', '--help')).toBe(0);
    for (const option of ['--stats <seconds>', '--run-dir <folder>', '--json', '--verbose'])
      expect(io.stdout).toContain(option);
  });

  test.each([
    [['upp'], "error: unknown command 'upp'\n(Did you mean up?)\n"],
    [['up'], "error: missing required argument 'file'\n"],
    [['up', 'f', '--jason'], "error: unknown option '--jason'\n(Did you mean --json?)\n"],
    [
      ['up', 'f', '--stats', '0'],
      "error: option '--stats <seconds>' argument '0' is invalid. A number of seconds from 0.1 to 3600 would be right.\n",
    ],
    [
      ['up', 'f', '--stats', 'x'],
      "error: option '--stats <seconds>' argument 'x' is invalid. A number of seconds from 0.1 to 3600 would be right.\n",
    ],
  ])('%j is refused with exit code 2', async (args, message) => {
    expect(await ptnet(...args)).toBe(2);
    expect(io.stderr).toBe(message);
    expect(hosts.configs).toEqual([]);
  });

  test('a wrong configuration is said on stderr, with where it stands, and exit code 2', async () => {
    const path = file('vms: { vm1: { device: [] } }');
    expect(await ptnet('up', path)).toBe(2);
    expect(io.stderr).toBe(
      [
        `ptnet: ${path}:1:15: vms.vm1: unknown key 'device': 'devices' would be right`,
        '    1 | vms: { vm1: { device: [] } }',
        '      |               ^\n',
      ].join('\n'),
    );
    expect(io.stdout).toBe('');
  });

  test('a host that cannot start is exit code 1', async () => {
    const start: StartHost = () =>
      Promise.reject(new Error('listen: EACCES: permission denied, /run/ptnetmap'));
    expect(await run(['up', file(CONFIG)], io, start)).toBe(1);
    expect(io.stderr).toContain('ptnet: listen: EACCES: permission denied, /run/ptnetmap\n');
  });
});

describe('up', () => {
  test('prints how to attach each VM, and closes the host when it is stopped', async () => {
    io.onOut = io.stop;
    expect(await ptnet('up', file(CONFIG), '--run-dir', '/tmp/x')).toBe(0);
    expect(hosts.closed).toBe(1);
    expect(hosts.configs[0]?.runDir).toBe('/tmp/x');
    expect(io.stdout).toContain(
      '# vm1: net0 is p{1\nqemu-system-x86_64 \\\n  -name vm1 \\\n  -machine pc,memory-backend=mem',
    );
    expect(io.stdout).toContain(
      '# vm2: net0 is p}1\nqemu-system-x86_64 \\\n  -name vm2 \\\n  -machine q35,memory-backend=mem',
    );
    expect(io.stdout).toContain('-object memory-backend-memfd,id=mem,size=1G,share=on');
    expect(io.stdout).toContain('"path":"/tmp/x/vm2/net0.sock"');
  });

  test.skipIf(readNumaNodes().size === 0)("the memory of a VM goes to the VM's NUMA node", async () => {
    io.onOut = io.stop;
    const onNode = CONFIG.replace('memory: 1G', 'memory: 1G, numa-node: 0');
    expect(await ptnet('up', file(onNode))).toBe(0);
    expect(io.stdout).toContain('memory-backend-memfd,id=mem,size=512M,share=on \\\n');
    expect(io.stdout).toContain('memory-backend-memfd,id=mem,size=1G,share=on,host-nodes=0,policy=bind');
  });

  test('says warnings on stderr', async () => {
    io.onOut = io.stop;
    const path = file(CONFIG);
    await ptnet('up', path);
    expect(io.stderr).toContain(`warning: ${path}: regions.lan: shared by vm1, vm2: `);
    expect(io.stderr).toContain(`warning: ${path}: vms.vm2.machine: `);
  });

  test('with --json stdout is one object with the arguments', async () => {
    io.onOut = io.stop;
    expect(await ptnet('up', file(CONFIG), '--json', '--run-dir', '/tmp/x')).toBe(0);
    const { vms } = JSON.parse(io.stdout) as { vms: { name: string; args: string[]; devices: unknown[] }[] };
    expect(vms.map((vm) => vm.name)).toEqual(['vm1', 'vm2']);
    expect(vms[0]?.args.slice(0, 2)).toEqual(['-name', 'vm1']);
    expect(vms[0]?.devices).toEqual([
      { name: 'mem', socketPath: '/tmp/x/vm1/mem.sock' },
      { name: 'net0', port: 'p{1', socketPath: '/tmp/x/vm1/net0.sock' },
    ]);
    expect(io.stderr).toContain('# vm1: net0 is p{1');
  });

  test('with --stats stdout is an object for each interval, and the text is on stderr', async () => {
    io.onOut = () => {
      if (io.stdout.split('\n').length > 2) io.stop();
    };
    expect(await ptnet('up', file(CONFIG), '--stats', '0.1')).toBe(0);
    const lines = io.stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { time: 'now', ports: [] },
      { time: 'now', ports: [] },
    ]);
    expect(io.stderr).toContain('# The host is running; Ctrl-C ends it.\n');
    expect(hosts.closed).toBe(1);
  });
});
