// The libvirt domain that attaches a VM: libvirt has no vfio-user device (as of 12.5), so QEMU's own arguments go through.
import { parseSize } from '../config/size.ts';
import type { AttachedVm } from './attach.ts';
import { vfioUserDevice } from './qemu.ts';

const KIB = 1024;

/** As an attribute in single quotes. */
const attribute = (text: string): string =>
  `'${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&apos;')}'`;

/**
 * A domain for `virsh define` that lacks only the guest's disk.
 * @param type `qemu` where no guest runs under KVM: libvirt refuses a domain that its machine cannot start so
 */
export function domainXml(vm: AttachedVm, type: 'kvm' | 'qemu' = 'kvm'): string {
  const numa =
    vm.numaNode === undefined
      ? ''
      : `  <numatune><memory mode='strict' nodeset='${vm.numaNode}'/></numatune>\n`;
  const args = vm.devices
    .flatMap((device) => ['-device', vfioUserDevice(device)])
    .map((arg) => `    <qemu:arg value=${attribute(arg)}/>\n`);
  return `<domain type='${type}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>${vm.name}</name>
  <memory unit='KiB'>${parseSize(vm.memory)! / KIB}</memory>
  <memoryBacking>
    <source type='memfd'/>
    <access mode='shared'/>
  </memoryBacking>
${numa}  <os>
    <type arch='x86_64' machine='${vm.machine}'>hvm</type>
  </os>
  <features>
    <acpi/>
    <apic/>
  </features>
  <qemu:commandline>
${args.join('')}  </qemu:commandline>
</domain>
`;
}
