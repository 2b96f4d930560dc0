/** Puts Linux guests to sleep and wakes them: in memory, or on a disk, from which another machine goes on. */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { AWAKE, type LinuxVm } from './linux-vm.ts';

const KEY_PAUSE_MS = 1000;
const SLEEP_TIMEOUT_MS = 120_000;
const DISK_BYTES = 1 << 30;
const DISK = '/dev/vda';

/** As /sys/power/mem_sleep has them: processors that idle, and a machine whose memory alone has power (S3). */
export type Sleep = 's2idle' | 'deep';

/**
 * Runs a script beside the shells, whose driver is away meanwhile: nothing that they are asked is lost on the way. They greet when the
 * script has ended.
 */
const aside = (script: string): string => `cat > /run/aside.sh << 'END'
sleep 0.5
cd /sys/bus/virtio/drivers/virtio_console
shells=$(echo virtio*)
echo $shells > unbind
${script}
echo $shells > bind
echo ${AWAKE} > /dev/console
END
setsid dash /run/aside.sh < /dev/null > /run/aside.log 2>&1 &`;

/** The answer may be lost when the shells go before it is written. */
const start = (vm: LinuxVm, script: string): Promise<unknown> => vm.run(aside(script)).catch(() => {});

/** Presses a key until the guest is awake: how far it has got on its way to sleep cannot be seen. */
async function pressKeys({ vm }: LinuxVm, from: number): Promise<void> {
  const awake = vm.console.waitFor(AWAKE, { from, timeoutMs: SLEEP_TIMEOUT_MS }).then(() => true);
  const pause = () => new Promise<false>((resolve) => setTimeout(resolve, KEY_PAUSE_MS, false));
  while (!(await Promise.race([awake, pause()])))
    await vm.qmp.command('send-key', { keys: [{ type: 'qcode', data: 'a' }] });
}

/** Has the guest sleep, wakes it, and waits until it takes commands. @throws when it did not sleep exactly once. */
export async function sleepAndWake(guest: LinuxVm, kind: Sleep): Promise<void> {
  const slept = async () => Number(await guest.run('cat /sys/power/suspend_stats/success'));
  const before = await slept();
  await guest.restarts(async () => {
    const from = guest.vm.console.position;
    await start(
      guest,
      // Keys do not wake a machine that could sleep deeper. One that comes too early keeps it awake.
      `echo enabled > /sys/bus/serio/devices/serio0/power/wakeup
echo ${kind} > /sys/power/mem_sleep
until echo mem > /sys/power/state; do sleep 1; done`,
    );
    if (kind === 's2idle') return await pressKeys(guest, from);
    await guest.vm.qmp.waitForEvent('SUSPEND', undefined, { timeoutMs: SLEEP_TIMEOUT_MS });
    await guest.vm.qmp.command('system_wakeup');
  });
  const times = (await slept()) - before;
  if (times !== 1) throw guest.vm.console.error(`it has slept ${times} times instead of once`);
}

/** QEMU's arguments for an empty disk, made at `path`, on which the guest can sleep. */
export function diskArguments(path: string): string[] {
  const fd = openSync(path, 'wx');
  ftruncateSync(fd, DISK_BYTES);
  closeSync(fd);
  return [
    ...['-drive', `file=${path},format=raw,if=none,cache=unsafe,id=sleep`],
    ...['-device', 'virtio-blk-pci,drive=sleep'],
  ];
}

/** Has the guest write itself to its disk and switch the machine off; resolves when that has ended. */
export async function hibernate(guest: LinuxVm): Promise<void> {
  const { console, exited } = guest.vm;
  const from = console.position;
  await start(
    guest,
    `modprobe virtio_blk
mkswap ${DISK}
swapon ${DISK}
echo shutdown > /sys/power/disk
echo 0 > /sys/power/image_size
echo disk > /sys/power/state || echo 'hibernation failed' > /dev/console
swapoff ${DISK}`,
  );
  const awake = console.waitFor(AWAKE, { from, timeoutMs: 2 * SLEEP_TIMEOUT_MS }).then(() => true);
  if (await Promise.race([awake, exited.then(() => false)])) throw console.error('it did not go to its disk');
}

/** Has the guest try to hibernate without a disk to do it on, and waits until it takes commands again. @throws when it did not try. */
export async function hibernateInVain(guest: LinuxVm): Promise<void> {
  await guest.restarts(() =>
    start(
      guest,
      `echo shutdown > /sys/power/disk
echo 0 > /sys/power/image_size
echo disk > /sys/power/state || echo failed > /run/hibernation`,
    ),
  );
  const log = await guest.run('rm /run/hibernation; dmesg | grep "PM: hibernation: "');
  if (!/hibernation: (Creating|Allocated|Image created)/.test(log))
    throw guest.vm.console.error(`it has not gone as far as an image:\n${log}`);
}

/** Has a guest that has just booted become the one on the disk, and waits until that one takes commands. */
export async function wakeFromDisk(guest: LinuxVm): Promise<void> {
  await guest.restarts(() =>
    guest.run(
      `modprobe virtio_blk\n(sleep 0.5; cat /sys/block/${DISK.slice(5)}/dev > /sys/power/resume) < /dev/null > /dev/null 2>&1 &`,
    ),
  );
}
