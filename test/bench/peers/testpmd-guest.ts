// What a VM needs to run testpmd on a virtio device: the programs, the libraries and the modules, and a script that starts it.
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import type { CpioEntry } from '../../../vm-images/cpio.ts';
import { getBusybox, getUioModules } from '../../../vm-images/fetch.ts';
import { initramfsEntries } from '../../../vm-images/initramfs.ts';
import { TESTPMD } from './testpmd-prompt.ts';

/** Of the virtio device, in the guest. */
const SLOT = 4;
const ADDRESS = `0000:00:0${SLOT}.0`;
/** testpmd takes 64 of 2 MiB; some more, because memory that is contiguous is asked for. */
const HUGEPAGES = 72;
const LIBRARIES = 'lib/x86_64-linux-gnu';
/** Plugins that nothing is linked with. All of them, as Debian has them, would be loaded too. */
const PLUGIN = /^librte_(net_virtio|mempool_ring)\.so\.\d+$/;

const EAL = `-d /plugins --in-memory --iova-mode=pa -m 128 --no-telemetry -a ${ADDRESS} --lcores 0@0,1@0`;
const APP = '-i --nb-cores=1 --total-num-mbufs=16384 --no-lsc-interrupt --rxd=1024 --txd=1024';

/** Ends the machine when anything fails: what was printed last then says why. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
trap 'poweroff -f' EXIT
set -e
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /var/run
# DPDK takes no plugins from below a folder that everybody may write to.
chmod 755 /
echo ${HUGEPAGES} > /proc/sys/vm/nr_hugepages
for module in /modules/*; do
  case $module in *.xz) unxz $module; module=\${module%.xz} ;; esac
  insmod $module
done
device=/sys/bus/pci/devices/${ADDRESS}
[ ! -e $device/driver ] || echo ${ADDRESS} > $device/driver/unbind
echo uio_pci_generic > $device/driver_override
echo ${ADDRESS} > /sys/bus/pci/drivers_probe
/bin/testpmd ${EAL} -- ${APP}
`;

/** The id of the netdev that is the other end of the virtio device. */
export const NETDEV = 'net';

/**
 * What QEMU is told about the virtio device; the netdev comes beside it.
 * @param txQueue slots of the queue that the guest sends from.
 */
export function virtioArguments(txQueue: number): string[] {
  const device = {
    driver: 'virtio-net-pci',
    netdev: NETDEV,
    bus: 'pci.0',
    addr: `${SLOT}`,
    rx_queue_size: 1024,
    tx_queue_size: txQueue,
    romfile: '',
  };
  // DPDK is built for processors with SSE4.2, which QEMU's default one lacks.
  return [...['-cpu', 'Nehalem'], ...['-device', JSON.stringify(device)]];
}

/** @param text what ldd printed. @return the paths of the libraries, the loader included. */
export function parseLdd(text: string): string[] {
  const missing = /^\s*(\S+) => not found/m.exec(text)?.[1];
  if (missing !== undefined) throw new Error(`${missing}: not found: testpmd needs it`);
  const paths = [...text.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm)].map((match) => match[1]!);
  return [...new Set(paths)];
}

const directories = (paths: readonly string[]): CpioEntry[] =>
  paths.map((path) => ({ path, kind: 'directory' }));

async function program(path: string, from: string): Promise<CpioEntry> {
  return { path, kind: 'file', mode: 0o755, data: await readFile(from) };
}

/** The plugins lie beside one that testpmd is linked with. */
async function findPlugins(libraries: readonly string[]): Promise<string[]> {
  const linked = libraries.find((path) => basename(path).startsWith('librte_bus_vdev.so'));
  if (linked === undefined) throw new Error(`${TESTPMD}: not linked with librte_bus_vdev: another DPDK`);
  const names = (await readdir(dirname(linked))).filter((name) => PLUGIN.test(name));
  return names.map((name) => join(dirname(linked), name));
}

/** The machine's own testpmd and what it is linked with; busybox and the modules are Debian's, from the cache. */
export async function guestFiles(): Promise<CpioEntry[]> {
  const { stdout: testpmd } = await execa('which', [TESTPMD]);
  const linked = parseLdd((await execa('ldd', [testpmd])).stdout);
  const plugins = await findPlugins(linked);
  const libraries = parseLdd((await execa('ldd', [testpmd, ...plugins])).stdout);
  const loader = (path: string) => basename(path).startsWith('ld-linux');
  const modules = await getUioModules();
  const files = [
    program('bin/busybox', await getBusybox()),
    program('bin/testpmd', testpmd),
    ...libraries.map((path) => program(`${loader(path) ? 'lib64' : LIBRARIES}/${basename(path)}`, path)),
    // A folder of plugins is searched for names that end in .so.
    ...plugins.map((path) => program(`plugins/${basename(path).replace(/\.\d+$/, '')}`, path)),
    // Loaded in the order of their names, which is that of their needs.
    ...modules.map((path, k) => program(`modules/${k}-${basename(path)}`, path)),
  ];
  const folders = directories(['bin', 'lib', LIBRARIES, 'lib64', 'plugins', 'modules']);
  return initramfsEntries(Buffer.from(INIT), [...folders, ...(await Promise.all(files))]);
}
