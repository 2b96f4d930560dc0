// The checks that look at more than the file and the machine: a host that is started for it with driver models on its devices, and VMs that run.
import type { Check } from './check.ts';

export type LiveCheck =
  | 'live-host'
  | 'live-interfaces'
  | 'live-device'
  | 'live-registers'
  | 'live-memory'
  | 'live-interrupts'
  | 'live-doorbells'
  | 'live-path'
  | 'live-isolation'
  | 'vm-boot'
  | 'vm-driver'
  | 'vm-path'
  | 'vm-isolation'
  | 'attached-host'
  | 'attached-vm'
  | 'attached-memory'
  | 'attached-file'
  | 'attached-driver'
  | 'attached-drops'
  | 'attached-faults';

export const LIVE: Readonly<Record<LiveCheck, Check>> = {
  'live-host': {
    says: 'A host of the file starts, in a run-dir of its own.',
    why: 'What a file says and what a machine gives are two things.',
    remedy: 'The evidence has the message of the host.',
  },
  'live-interfaces': {
    says: 'Taps and interfaces of the file can be tried, in a network namespace of their own.',
    why: "The trial must not touch the machine's own network, so it makes stand-ins for its interfaces; that takes CAP_SYS_ADMIN and the programs ip and unshare. Without them paths to the host's network are not tried.",
    remedy: 'Run the check as root.',
  },
  'live-device': {
    says: 'A device has the PCI ids, BARs and capabilities that its driver looks for.',
    why: "A guest's driver would not attach.",
    remedy: 'This is a fault of ptnetmap: report it with the output of ptnet doctor.',
  },
  'live-registers': {
    says: 'Every register of a device reads what the file says, read-only ones ignore writes, reserved ones read 0.',
    why: "The guest's driver takes its rings, addresses and memory from there.",
    remedy: 'This is a fault of ptnetmap: report it with the output of ptnet doctor.',
  },
  'live-memory': {
    says: 'The region behind BAR 1 maps, and netmap_if, rings, slots and buffers in it are where the registers say, each buffer with one owner.',
    why: 'Two slots with one buffer would be two packets in one place.',
    remedy: 'This is a fault of ptnetmap: report it with the output of ptnet doctor.',
  },
  'live-interrupts': {
    says: 'Each MSI-X vector that is triggered raises its own interrupt and no other.',
    why: 'A driver whose interrupt goes elsewhere waits for ever.',
    remedy: 'This is a fault of ptnetmap: report it with the output of ptnet doctor.',
  },
  'live-doorbells': {
    says: 'Each doorbell reaches its own ring.',
    why: 'A kick that reaches nobody is a packet that waits.',
    remedy: 'This is a fault of ptnetmap: report it with the output of ptnet doctor.',
  },
  'live-path': {
    says: 'Packets of every size reach whom the file lets them reach, with every byte as it was sent.',
    why: 'This is what a network is for.',
    remedy: 'Look at the drops in the evidence: docs/configuration.md says what each cause means.',
  },
  'live-isolation': {
    says: 'No packet reaches anybody whom the file keeps it from.',
    why: 'Isolation that does not hold is none.',
    remedy:
      'Compare ports, switches and lookup functions of the file with what was meant; if they are right this is a fault of ptnetmap.',
  },
  'vm-boot': {
    says: 'A VM with the devices of the file boots under the QEMU of this machine.',
    why: 'QEMU, its version and its machine types have a say in this.',
    remedy: "The evidence has QEMU's last words, or the end of the guest's console.",
  },
  'vm-driver': {
    says: 'A driver in the VM finds its devices, maps their memory, and starts and stops their rings.',
    why: 'Firmware and the guest kernel place BARs and memory, which a driver model does not try.',
    remedy: 'The evidence has the message of the driver.',
  },
  'vm-path': {
    says: 'Packets from VM to VM, and between VM and host, arrive with every byte as it was sent.',
    why: 'This is what a network is for.',
    remedy:
      'Try --live: when it fails too, the file or the host is at fault, and QEMU or the machine otherwise.',
  },
  'vm-isolation': {
    says: 'No packet of a VM reaches anybody whom the file keeps it from.',
    why: 'Isolation that does not hold is none.',
    remedy: 'Compare ports, switches and lookup functions of the file with what was meant.',
  },
  'attached-host': {
    says: 'A host listens on every socket of the file.',
    why: 'A VM finds no device where nobody listens; a socket that is missing is one of another file, or of a host that was started before the file was changed.',
    remedy: "Start the host ('ptnet up FILE'), or look whether run-dir is the one that it has.",
  },
  'attached-vm': {
    says: 'A VM is attached to all of its devices, or to none.',
    why: 'A device that is left out is one that the guest does not have; without the memory device it has none.',
    remedy: "Start the VM with all devices that 'ptnet plan' prints.",
  },
  'attached-memory': {
    says: 'The process of an attached VM has the region of its ports mapped.',
    why: 'BAR 1 is that mapping. Without it a guest that reads a ring sends a message for each word, and is thousands of times slower.',
    remedy:
      'Look whether the memory device came from this host, and not from one that has ended: the VM has to be started again then.',
  },
  'attached-file': {
    says: 'The host that runs is what the file says.',
    why: 'A file that was changed since, or a host that was changed by a command, is checked for something that does not run.',
    remedy:
      "'ptnet apply FILE --dry-run' shows the difference, 'ptnet apply FILE' brings the host to the file.",
  },
  'attached-driver': {
    says: 'The driver of each device with a VM has started it.',
    why: 'Until then nobody takes what is sent to the device, and senders see drops (down).',
    remedy:
      'Load the driver in the guest and bring its interface up; docs/guests.md has a page for each guest.',
  },
  'attached-drops': {
    says: 'A device with a VM drops nothing while it is looked at.',
    why: 'What is dropped is lost for who sent it; each cause says whose doing it is.',
    remedy: "'ptnet show PORT' explains each cause, docs/counters.md all of them.",
  },
  'attached-faults': {
    says: 'Guest and hypervisor of a device have done nothing wrong.',
    why: 'The host counts what it refuses: indices outside a ring, messages that it does not know, interrupts and memory that keep it waiting.',
    remedy: "'ptnet show VM/DEVICE' lists the causes, and the log of the host has the messages.",
  },
};
