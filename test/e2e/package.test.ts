// The package as somebody installs it who has no clone: into a prefix of its own, with an empty home. The addons are
// compiled there, unless that is seen on a fresh Debian as well: then they are this clone's.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openGuest } from '../../guest-driver/model/index.ts';
import { whyNoDebianRoot } from '../harness/debian-root.ts';
import { projectRoot } from '../harness/paths.ts';
import { probe } from '../harness/probe-packet.ts';
import { TestServiceManager, whyNoServiceManager } from '../harness/service-manager.ts';

const INSTALL_MS = 600_000;
/** What the installation compiles. */
const BUILT = [
  'native/build/Release/ptnetmap.node',
  'guest-driver/addon/build/Release/ptnetguest.node',
  'native/preload/build/libptnetmap.so',
  'native/guard/build/ptnet-guard',
];
const A = Uint8Array.of(2, 0, 0, 0, 0, 7);
const B = Uint8Array.of(2, 0, 0, 0, 0, 8);

let folder: string;
let env: NodeJS.ProcessEnv;
let root: string;
/** Whoever runs these tests has a cache of npm's: packages come from it, or from the registry. */
let cache: string;

const sh = (script: string, options = {}) =>
  execa('sh', ['-euc', script], { cwd: join(folder, 'work'), env, extendEnv: false, ...options });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ptnet-package-'));
  for (const name of ['home', 'work', 'prefix']) mkdirSync(join(folder, name));
  cache = (await execa('npm', ['config', 'get', 'cache'])).stdout;
  const registry = (await execa('npm', ['config', 'get', 'registry'])).stdout;
  env = {
    HOME: join(folder, 'home'),
    PATH: `${join(folder, 'prefix', 'bin')}:${process.env.PATH}`,
    npm_config_prefix: join(folder, 'prefix'),
    npm_config_cache: cache,
    npm_config_registry: registry,
    npm_config_prefer_offline: 'true',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    ...(process.env.npm_config_cafile && { npm_config_cafile: process.env.npm_config_cafile }),
    ...(process.env.NODE_EXTRA_CA_CERTS && { NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS }),
  };
  const { stdout } = await execa(
    'npm',
    ['pack', '--ignore-scripts', '--json', '--pack-destination', folder],
    { cwd: projectRoot() },
  );
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  root = join(folder, 'prefix', 'lib', 'node_modules', 'ptnetmap');
  const compiled = whyNoDebianRoot() === undefined;
  await sh(`npm install --global --omit=dev ${compiled ? '--ignore-scripts' : ''} ${join(folder, filename)}`);
  if (compiled)
    for (const made of BUILT) cpSync(join(projectRoot(), made), join(root, made), { recursive: true });
}, INSTALL_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('what is installed', () => {
  test('a program on the PATH, with its version, and no compiler of TypeScript', async () => {
    const { version } = JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8'));
    expect((await sh('ptnet --version')).stdout).toBe(version);
    expect(existsSync(join(root, 'node_modules', 'typescript'))).toBe(false);
    expect(existsSync(join(root, 'native', 'build', 'Release', 'ptnetmap.node'))).toBe(true);
  });

  test('a manual page that man reads', async () => {
    const page = join(folder, 'prefix', 'share', 'man', 'man1', 'ptnet.1');
    expect(readFileSync(page, 'utf8')).toContain('.SH SYNOPSIS');
    const { stdout, stderr } = await sh(`man --warnings -E UTF-8 -l ${page} | col -b`);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/ptnet\s+init/);
  });

  test('every module of it finds what it imports', async () => {
    const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' });
    const missing = files
      .filter((name) => name.endsWith('.js'))
      .flatMap((name) => {
        const text = readFileSync(join(root, 'dist', name), 'utf8');
        return [...text.matchAll(/\bfrom '(\.[^']+)'/g)]
          .map(([, target]) => join(root, 'dist', name, '..', target!))
          .filter((target) => !existsSync(target));
      });
    expect(missing).toEqual([]);
  });

  test('systemd takes the units', async () => {
    // A copy that names a program and a user of this machine: systemd looks for both.
    const unit = join(folder, 'work', 'ptnetmap.service');
    const text = readFileSync(join(root, 'systemd', 'ptnetmap.service'), 'utf8');
    writeFileSync(unit, text.replaceAll('Documentation=man:ptnet(1)\n', ''));
    const { stderr } = await sh(`systemd-analyze verify --man=no ${unit}`, { reject: false });
    expect(stderr.split('\n').filter((line) => line.includes('ptnetmap.service'))).toEqual([]);
  });
});

test('init, plan, up: two guests on a switch, and a signal ends it', async () => {
  await sh('ptnet init');
  const runDir = join(folder, 'run');
  expect((await sh(`ptnet plan ptnet.yaml vm1 --run-dir ${runDir}`)).stdout).toContain('vfio-user-pci');
  const host = sh(`exec ptnet up ptnet.yaml --json --run-dir ${runDir}`, { reject: false, buffer: true });
  const socket = (vm: string, device: string): string => join(runDir, vm, `${device}.sock`);
  await expect.poll(() => existsSync(socket('vm2', 'net0'))).toBe(true);
  const guests = await Promise.all(
    ['vm1', 'vm2'].map((vm) => openGuest({ memdev: socket(vm, 'mem'), ptnet: [socket(vm, 'net0')] })),
  );
  try {
    for (const guest of guests) await guest.create();
    const packet = probe({ seq: 1n, size: 200, src: A, dst: B });
    await guests[0]!.ports[0]!.send(packet);
    expect(await guests[1]!.ports[0]!.receive()).toEqual(packet);
  } finally {
    for (const guest of guests) await guest.close();
    host.kill('SIGTERM');
  }
  const { exitCode, stdout } = await host;
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout).vms).toHaveLength(2);
  expect(existsSync(runDir)).toBe(false);
});

const noSystemd = whyNoServiceManager();
describe.skipIf(noSystemd)(`under systemd${noSystemd ? ` (not run: ${noSystemd})` : ''}`, () => {
  const UNIT = 'ptnetmap.service';
  const FILE = '/etc/ptnetmap/ptnet.yaml';
  let systemd: TestServiceManager;
  const property = (name: string) => systemd.property(UNIT, name);
  const config = () => systemd.run('ptnet show config --run-dir /run/ptnetmap');

  beforeAll(async () => {
    systemd = await TestServiceManager.start(join(folder, 'prefix'));
  }, INSTALL_MS);
  afterAll(() => systemd?.close());

  test('the page on services, word for word: a host that is ready when it is started', async () => {
    const page = readFileSync(join(root, 'docs', 'service.md'), 'utf8');
    const [, steps] = /```sh\n([\s\S]*?)```/.exec(page)!;
    await systemd.run(`set -e\n${steps!.replace('$(npm root -g)', '/usr/local/lib/node_modules')}`);
    expect(await property('ActiveState')).toBe('active');
    expect(await systemd.run('stat -c %G:%a /run/ptnetmap/vm1/net0.sock')).toBe('kvm:660');
    expect(await config()).toContain('vale0:1');
    const said = await systemd.run(`systemd-analyze security --no-pager ${UNIT}`);
    expect(Number(/Overall exposure level for \S+: ([\d.]+)/.exec(said)?.[1])).toBeLessThan(1);
  });

  test('it reads its file again, or says why not and goes on', async () => {
    const pid = await property('MainPID');
    await systemd.run(`printf 'engine: { spin-us: 77 }\\n' >> ${FILE} && systemctl reload ${UNIT}`);
    await expect.poll(config).toContain('spin-us: 77');
    await systemd.run(`printf 'wrong: 1\\n' >> ${FILE} && systemctl reload ${UNIT}`);
    await expect
      .poll(() => systemd.run(`journalctl --no-pager -u ${UNIT}`))
      .toContain('not taken, nothing has changed');
    await systemd.run(`sed -i '/^wrong/d' ${FILE}`);
    expect(await property('MainPID')).toBe(pid);
    expect(await property('NRestarts')).toBe('0');
  });

  test('it is started anew when it was killed, and when it stands still', async () => {
    const restarts = async () => [await property('ActiveState'), await property('NRestarts')];
    await systemd.run(`kill -KILL ${await property('MainPID')}`);
    await expect.poll(restarts).toEqual(['active', '1']);
    const dropIn = '/run/systemd/system/ptnetmap.service.d';
    await systemd.run(
      `mkdir -p ${dropIn} && printf '[Service]\\nWatchdogSec=5\\n' > ${dropIn}/watchdog.conf && systemctl daemon-reload && systemctl restart ${UNIT}`,
    );
    expect(await restarts()).toEqual(['active', '0']);
    await systemd.run(`kill -STOP ${await property('MainPID')}`);
    await expect.poll(restarts).toEqual(['active', '1']);
    expect(await systemd.run('journalctl --no-pager')).toMatch(/ptnetmap\.service: Watchdog timeout/);
  });

  /** The service is the process that goes on then, and nothing was started anew. */
  async function upgrade(): Promise<void> {
    const state = async () => [await property('ActiveState'), await property('NRestarts')];
    const [pid, before] = [await property('MainPID'), await state()];
    const said = await systemd.run('ptnet upgrade');
    const next = /process (\d+) goes on/.exec(said)?.[1];
    expect(next, said).toBeDefined();
    await expect.poll(() => property('MainPID')).toBe(next);
    await expect.poll(async () => (await systemd.attempt(`test -e /proc/${pid}`)).exitCode).not.toBe(0);
    expect(await state()).toEqual(before);
  }

  test('ptnet upgrade: another process goes on under its guests, and is the service', async () => {
    const socket = (device: string): string => systemd.path(`/run/ptnetmap/vm1/${device}.sock`);
    const guest = await openGuest({ memdev: socket('mem'), ptnet: [socket('net0')] });
    try {
      await guest.create();
      await upgrade();
      await upgrade();
      expect(await guest.ports[0]!.ptnet.readRegister(0)).toBeDefined();
      await systemd.run(`systemctl reload ${UNIT}`);
    } finally {
      await guest.crash();
    }
    expect((await systemd.attempt(`ptnet upgrade ${FILE} --run-dir /run/ptnetmap`)).exitCode).toBe(1);
  });

  test('with its drop-in another one goes on when it is killed, and when it stands still', async () => {
    const dropIn =
      'install -D -m 644 $unit/ptnetmap-kept.conf /etc/systemd/system/ptnetmap.service.d/kept.conf';
    expect(readFileSync(join(root, 'docs', 'service.md'), 'utf8')).toContain(dropIn);
    await systemd.run(`set -e
unit=/usr/local/lib/node_modules/ptnetmap/systemd
${dropIn}
systemctl daemon-reload
systemctl restart ${UNIT}`);
    const socket = (vm: string, device: string): string => systemd.path(`/run/ptnetmap/${vm}/${device}.sock`);
    const guests = await Promise.all(
      ['vm1', 'vm2'].map((vm) => openGuest({ memdev: socket(vm, 'mem'), ptnet: [socket(vm, 'net0')] })),
    );
    try {
      for (const guest of guests) await guest.create();
      const exchange = async (seq: bigint) => {
        const packet = probe({ seq, size: 200, src: A, dst: B });
        await guests[0]!.ports[0]!.send(packet);
        expect(await guests[1]!.ports[0]!.receive()).toEqual(packet);
      };
      await exchange(1n);
      const restarts = async () => [await property('ActiveState'), await property('NRestarts')];
      await systemd.run(`kill -KILL ${await property('MainPID')}`);
      await expect.poll(restarts).toEqual(['active', '1']);
      await exchange(2n);
      await systemd.run(`kill -STOP ${await property('MainPID')}`);
      await expect.poll(restarts).toEqual(['active', '2']);
      await exchange(3n);
      await upgrade();
      await exchange(4n);
      await systemd.run(`kill -KILL ${await property('MainPID')}`);
      await expect.poll(restarts).toEqual(['active', '3']);
      await exchange(5n);
      // One that ends as it is meant to leaves nothing to go on with.
      await systemd.run(`systemctl restart ${UNIT}`);
      await expect(guests[0]!.ports[0]!.ptnet.readRegister(0)).rejects.toThrow();
    } finally {
      for (const guest of guests) await guest.crash();
    }
    const again = await openGuest({ memdev: socket('vm1', 'mem'), ptnet: [socket('vm1', 'net0')] });
    await again.close();
    expect(await systemd.run(`journalctl --no-pager -u ${UNIT}`)).toContain(
      'goes on in the place of a process that has died',
    );
    await systemd.run(
      `rm /etc/systemd/system/ptnetmap.service.d/kept.conf && systemctl daemon-reload && systemctl restart ${UNIT}`,
    );
  });

  test('with its drop-in it makes taps', async () => {
    const dropIn =
      'install -D -m 644 $unit/ptnetmap-interfaces.conf /etc/systemd/system/ptnetmap.service.d/interfaces.conf';
    expect(readFileSync(join(root, 'docs', 'service.md'), 'utf8')).toContain(dropIn);
    await systemd.run(`set -e
unit=/usr/local/lib/node_modules/ptnetmap/systemd
${dropIn}
ptnet init --force --example tap ${FILE}
systemctl daemon-reload
systemctl restart ${UNIT}`);
    expect(await systemd.run('cat /proc/net/dev')).toMatch(/^ *lan:/m);
    expect(await property('ActiveState')).toBe('active');
  });

  test('it ends well, and leaves nothing', async () => {
    await systemd.run(`systemctl stop ${UNIT}`);
    expect([await property('ActiveState'), await property('Result')]).toEqual(['inactive', 'success']);
    expect((await systemd.attempt('ls /run/ptnetmap')).exitCode).not.toBe(0);
    expect(await systemd.run('cat /proc/net/dev')).not.toMatch(/^ *lan:/m);
  });
});

test('the library is imported by a program beside it, and its types are there', async () => {
  const work = join(folder, 'work');
  mkdirSync(join(work, 'node_modules'), { recursive: true });
  await sh(`ln -sfn ${root} node_modules/ptnetmap`);
  writeFileSync(
    join(work, 'program.ts'),
    "import { configFrom, Host, type HostConfig } from 'ptnetmap';\nconst config: HostConfig = configFrom({ 'run-dir': './run', vms: { a: { devices: [{ port: 'null:a' }] } } });\nconst host = await Host.start(config);\nconst name: string | undefined = host.vms[0]?.name;\nawait host.close();\nconsole.log(name);\n",
  );
  writeFileSync(join(work, 'package.json'), '{ "type": "module" }');
  const tsc = join(projectRoot(), 'node_modules', '.bin', 'tsc');
  const types = join(projectRoot(), 'node_modules', '@types');
  const options = `--strict --target es2023 --module nodenext --types node --typeRoots ${types} --ignoreConfig`;
  await sh(`${tsc} ${options} program.ts`);
  expect((await sh('node program.js')).stdout).toBe('a');
});
