// Looks at the command that starts each VM: memory that can be shared, its devices, ids, IOMMU, and room for the BAR.
import { DEFAULT_PCI_IDS } from '../../../pci/index.ts';
import type { VmConfig } from '../../config/host-config.ts';
import { parseSize } from '../../config/size.ts';
import { attachedVms } from '../../hypervisor/attach.ts';
import { type Finding, failed, pass, warn } from '../finding.ts';
import { memoryIds, parseQemuSize, type QemuCommand } from '../qemu-command.ts';
import { formatBytes } from '../region-size.ts';
import type { Scene } from '../scene.ts';

const TIMEOUT_MS = 60_000;
const VFIO_USER = 'vfio-user-pci';
const IOMMUS = ['intel-iommu', 'amd-iommu', 'virtio-iommu', 'virtio-iommu-pci'];
/** What QEMU gives these devices: the memory device's and the network device's ids. */
const SAME_IDS: Readonly<Record<string, string>> = {
  'pcie-root-port': "1b36:000c, the memory device's",
  'qemu-xhci': "1b36:000d, the network device's",
};

export function lookAtVms(scene: Scene): Finding[] {
  return [...scene.config.vms].flatMap(([name, vm]) => {
    const command = scene.commands.get(name)!;
    const object = `vms.${name}`;
    return [
      sharedMemory(object, command),
      memorySize(object, command, vm),
      ...devices(object, name, command, scene),
      ids(object, command, vm),
      iommu(object, command),
    ];
  });
}

function sharedMemory(object: string, command: QemuCommand): Finding {
  const ids = memoryIds(command);
  const remedy = '-object memory-backend-memfd,id=mem,size=SIZE,share=on and -machine memory-backend=mem';
  if (ids.length === 0) {
    const unused = [...command.backends.keys()].map((id) => `'${id}'`);
    const why =
      unused.length === 0
        ? 'the command has no memory backend: the RAM is private to QEMU'
        : `no machine and no NUMA node has the memory backend ${unused.join(', ')}: the RAM is private to QEMU`;
    return failed('shared-memory', object, why, remedy);
  }
  for (const id of ids) {
    const backend = command.backends.get(id);
    if (!backend) return failed('shared-memory', object, `there is no memory backend '${id}'`, remedy);
    const kind = backend.get('qom-type')!;
    // memfd is shared unless it says otherwise, ram and file are private.
    const share = backend.get('share') ?? (kind === 'memory-backend-memfd' ? 'on' : 'off');
    if (!/^(on|yes|true)$/.test(share))
      return failed('shared-memory', object, `${kind} '${id}' has share=${share}`, 'share=on');
    if (kind === 'memory-backend-file' && !/^\/dev\/(shm|hugepages)/.test(backend.get('mem-path') ?? ''))
      return warn(
        'shared-memory',
        object,
        `${kind} '${id}' is ${backend.get('mem-path')}: a CSB on a file that is not in memory is refused`,
        'memory-backend-memfd, or a file on tmpfs or hugetlbfs',
      );
  }
  const kinds = ids.map((id) => `${command.backends.get(id)!.get('qom-type')} '${id}', share=on`);
  return pass('shared-memory', object, kinds.join('; '));
}

function memorySize(object: string, command: QemuCommand, vm: VmConfig): Finding {
  const wanted = parseSize(vm.memory)!;
  const backends = memoryIds(command).map((id) => parseQemuSize(command.backends.get(id)?.get('size') ?? ''));
  const backed = backends.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const { memory } = command;
  if (memory !== undefined && backends.length > 0 && backed !== memory)
    return failed(
      'vm-memory',
      object,
      `-m is ${formatBytes(memory)} and its memory backends have ${formatBytes(backed)}`,
      `size=${vm.memory} and -m ${vm.memory}`,
    );
  if (memory !== wanted)
    return warn(
      'vm-memory',
      object,
      `the command gives it ${memory === undefined ? "QEMU's default" : formatBytes(memory)}, the file ${vm.memory}`,
      `-m ${vm.memory}, or memory: in the file, which bar-window and host-memory reckon with`,
    );
  return pass('vm-memory', object, `${vm.memory} in the file, the backend and -m`);
}

function devices(object: string, name: string, command: QemuCommand, { config }: Scene): Finding[] {
  const vm = attachedVms(config).find((candidate) => candidate.name === name)!;
  const wanted = vm.devices.map(({ socketPath }) => socketPath);
  const given = command.devices.filter(({ driver }) => driver === VFIO_USER);
  const sockets = given.map(({ socket }) => socket);
  const missing = wanted.filter((path) => !sockets.includes(path));
  const found: Finding[] = [];
  const remedy = `the devices that 'ptnet plan FILE ${name}' prints`;
  if (missing.length > 0)
    found.push(failed('vm-devices', object, `no ${VFIO_USER} has the socket ${missing.join(', ')}`, remedy));
  else if (sockets.indexOf(wanted[0]) > Math.min(...wanted.slice(1).map((path) => sockets.indexOf(path))))
    found.push(failed('vm-devices', object, 'a network device comes before the memory device', remedy));
  else
    found.push(pass('vm-devices', object, `${given.length} ${VFIO_USER} devices, the memory device first`));
  const short = given.find(({ properties }) => !(Number(properties.get('x-msg-timeout')) >= TIMEOUT_MS));
  found.push(
    short === undefined
      ? pass('msg-timeout', object, `each device waits for ${TIMEOUT_MS / 1000} s or more`)
      : warn(
          'msg-timeout',
          object,
          `${short.socket ?? VFIO_USER} waits for ${short.properties.get('x-msg-timeout') ?? '5000'} ms`,
          '"x-msg-timeout":600000 for each device',
        ),
  );
  return found;
}

function ids(object: string, { machine, devices: given }: QemuCommand, vm: VmConfig): Finding {
  if (vm.pciIds !== DEFAULT_PCI_IDS)
    return pass('pci-ids', object, `its devices have ${vm.pciIds}, which no other has`);
  const same = given.flatMap(({ driver }) =>
    driver in SAME_IDS ? [`${driver} has ${SAME_IDS[driver]}`] : [],
  );
  if (same.length > 0)
    return warn(
      'pci-ids',
      object,
      same.join('; '),
      "leave it out, or pci-ids: 1b36:cccc if the guest's driver has those",
    );
  if (/q35/.test(machine) || vm.machine === 'q35')
    return warn(
      'pci-ids',
      object,
      "machine q35: a PCIe root port of QEMU has 1b36:000c, the memory device's; there is none in this command, and libvirt adds some",
      "machine: pc, or no root ports, where the guest has netmap's Linux driver",
    );
  return pass('pci-ids', object, `machine ${machine}, without root ports and qemu-xhci`);
}

function iommu(object: string, { devices: given, machineProperties }: QemuCommand): Finding {
  const device = given.find(({ driver }) => IOMMUS.includes(driver))?.driver;
  const there = device ?? (machineProperties.get('iommu') === 'on' ? 'iommu=on of the machine' : undefined);
  return there === undefined
    ? pass('viommu', object, 'no virtual IOMMU')
    : warn(
        'viommu',
        object,
        `${there}: it works only where the IOMMU does not translate`,
        'no IOMMU, or iommu=pt in the guest',
      );
}
