// docs/quick-start.md, word for word: its commands are run as they stand there, in VMs that ping each other at the end.
import { spawn } from 'node:child_process';
import {
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { shellQuote } from '../../backend/hypervisor/qemu.ts';
import { getQemu } from '../../vm-images/fetch.ts';
import { getLinuxGuest } from '../../vm-images/linux-image.ts';
import { GuestShell } from '../harness/guest-shell.ts';
import { driverEntries } from '../harness/linux-driver.ts';
import { connectTo, shellArguments, writeImage } from '../harness/linux-vm.ts';
import { projectRoot } from '../harness/paths.ts';
import { RELEASES } from './linux/releases.ts';
import { vmTest } from './vm-test.ts';

const PAGE = readFileSync(join(projectRoot(), 'docs', 'quick-start.md'), 'utf8');

/** The commands of the page for a place, as they stand there. */
function commands(place: string): string[] {
  return [...PAGE.matchAll(/```sh (\w+)\n([\s\S]*?)```/g)]
    .filter(([, of]) => of === place)
    .map(([, , text]) => text!);
}

const folder = mkdtempSync(join(tmpdir(), 'ptnet-quick-'));
const ends: (() => void)[] = [];
afterAll(async () => {
  for (const end of ends) end();
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  try {
    rmdirSync('/tmp/ptnetmap');
  } catch {
    // Another host's.
  }
});

/** What the reader has: QEMU and ptnet on the PATH. */
async function makePath(): Promise<string> {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(join(projectRoot(), 'ptnet'), join(bin, 'ptnet'));
  const { binary, argsPrefix } = await getQemu();
  const program = [binary, ...argsPrefix].map(shellQuote).join(' ');
  writeFileSync(join(bin, 'qemu-system-x86_64'), `#!/bin/sh\nexec ${program} "$@"\n`, { mode: 0o755 });
  return `${bin}:${process.env.PATH}`;
}

/** The reader's own disk: a kernel with a shell, and the driver in its home folder. */
async function disk(vm: string): Promise<string> {
  const release = RELEASES.at(-1)!;
  const { kernel, initramfs } = await getLinuxGuest(release);
  const image = await writeImage(initramfs, await driverEntries(release), join(folder, `${vm}.image`));
  mkdirSync(join(folder, vm));
  return [
    ...['-display', 'none', '-serial', 'stdio', '-smp', '1'],
    ...['-kernel', kernel.image, '-initrd', image, '-append', 'console=ttyS0 quiet panic=-1 mitigations=off'],
    ...shellArguments(join(folder, vm)),
  ]
    .map(shellQuote)
    .join(' ');
}

/**
 * Each terminal of the page is a shell; all of them see a folder of their own as the run-dir that the example has, and no /dev/kvm: where
 * one is there and does not work, QEMU ends.
 */
function terminals(path: string, disks: Record<string, string>): void {
  const [init, up] = commands('host');
  const run = join(folder, 'run');
  mkdirSync(run);
  const script = `
set -eu
mkdir -p /tmp/ptnetmap
mount --bind ${run} /tmp/ptnetmap
[ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm
cd ${folder}
${init}
( ${up} ) > host.log 2>&1 &
until [ -S ${run}/vm2/net0.sock ]; do kill -0 $!; sleep 0.1; done
( ${commands('vm1')[0]} ) > vm1.log 2>&1 < /dev/null &
( ${commands('vm2')[0]} ) > vm2.log 2>&1 < /dev/null &
wait
`;
  const user = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const shell = spawn('unshare', ['--mount', ...user, 'bash', '-c', script], {
    // A group of its own, which is what ends.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path, ...disks },
  });
  const log = createWriteStream(join(folder, 'terminals.log'));
  shell.stdout.pipe(log);
  shell.stderr.pipe(log);
  ends.push(() => {
    try {
      process.kill(-shell.pid!, 'SIGTERM');
    } catch {
      // It has ended.
    }
  });
}

async function shellOf(vm: string): Promise<GuestShell> {
  const shell = new GuestShell(vm, await connectTo(join(folder, vm, 'shell0'), 600));
  await shell.ready();
  return shell;
}

async function run(shell: GuestShell, script: string): Promise<string> {
  const { code, stdout, stderr } = await shell.run(`set -e; cd /root\n${script}`);
  expect(code, stderr.toString()).toBe(0);
  return stdout.toString();
}

vmTest('the quick start ends in two VMs that ping each other', async () => {
  expect(commands('host')).toHaveLength(2);
  terminals(await makePath(), { VM1: await disk('vm1'), VM2: await disk('vm2') });
  try {
    const [vm1, vm2] = await Promise.all(['vm1', 'vm2'].map(shellOf));
    for (const block of commands('guest')) for (const shell of [vm1!, vm2!]) await run(shell, block);
    for (const block of commands('guest1')) await run(vm1!, block);
    const said = [];
    for (const block of commands('guest2')) said.push(await run(vm2!, block));
    expect(said.join('')).toMatch(/3 packets transmitted, 3 (packets )?received, 0% packet loss/);
  } catch (error) {
    for (const name of ['terminals', 'host', 'vm1', 'vm2'])
      (error as Error).message +=
        `\n${name}.log: ${readFileSync(join(folder, `${name}.log`), 'utf8').slice(-2000)}`;
    throw error;
  }
});
