// The checks of a file on this machine: what works, what cannot work here, and what somebody may not have meant.
import type { Check } from './check.ts';

export type MachineCheck =
  | 'shared-memory'
  | 'vm-memory'
  | 'vm-devices'
  | 'msg-timeout'
  | 'pci-ids'
  | 'viommu'
  | 'bar-window'
  | 'host-memory'
  | 'hugepages'
  | 'region-trust'
  | 'region-used'
  | 'port-used'
  | 'ring-counts'
  | 'tx-slots'
  | 'buffer-mtu'
  | 'switch-ports'
  | 'switch-loop'
  | 'ip-unique'
  | 'worker-starvation'
  | 'policy-inline'
  | 'capabilities'
  | 'interface-there'
  | 'xdp-there'
  | 'run-dir'
  | 'lookup-plugin'
  | 'qemu-there'
  | 'kvm-usable'
  | 'descriptors'
  | 'locked-memory'
  | 'memory-maps';

export const MACHINE: Readonly<Record<MachineCheck, Check>> = {
  'shared-memory': {
    says: "A VM's memory has a descriptor that the host can map: a memory backend with share=on, used by the machine.",
    why: 'The CSB, where driver and host exchange ring indices, is in guest memory. Without a descriptor for it CREATE is refused, and the guest has an interface that never comes up.',
    remedy:
      "QEMU: -object memory-backend-memfd,id=mem,size=SIZE,share=on and -machine memory-backend=mem. 'ptnet plan' prints it.",
  },
  'vm-memory': {
    says: "A VM's memory backend is as large as -m says, and as the file says.",
    why: 'QEMU does not start when backend and -m differ.',
    remedy: 'Give the backend, -m and memory in the file the same size.',
  },
  'vm-devices': {
    says: "A VM's command has a vfio-user-pci device for each socket of the file, the memory device first.",
    why: "A guest's driver finds no memory for its rings while it has not seen the memory device; a socket that is left out is a device that the guest does not have.",
    remedy: "Take the devices that 'ptnet plan' prints, in that order.",
  },
  'msg-timeout': {
    says: 'vfio-user-pci has an x-msg-timeout of a minute and more.',
    why: 'QEMU gives a device up for good when the host does not answer for 5 seconds: a debugger, a frozen cgroup or a machine that swaps is enough.',
    remedy: 'Add "x-msg-timeout":600000 to each device, as \'ptnet plan\' does.',
  },
  'pci-ids': {
    says: "No other device of the VM has the ids of this project's.",
    why: "QEMU gives 1b36:000c to PCIe root ports (a q35 machine has some when its devices are put behind them) and 1b36:000d to qemu-xhci. A Linux guest's netmap driver goes by the ids and may take one for the memory or network device.",
    remedy:
      "Machine 'pc' without qemu-xhci (-usb or usb-ehci instead), devices on pcie.0, or pci-ids: 1b36:cccc where the guest's driver has those.",
  },
  viommu: {
    says: 'The VM has no virtual IOMMU that translates.',
    why: 'A ptnet driver writes physical addresses into the device. Behind an IOMMU that translates nothing is mapped there, and CREATE is refused with EFAULT.',
    remedy: 'Leave the IOMMU out, or boot the guest with iommu=pt.',
  },
  'bar-window': {
    says: "BAR 1 of the memory device, the region rounded up to a power of two, fits into the VM's address space beside its RAM.",
    why: "Firmware places a 64-bit BAR below 4 GiB while there is room in the PCI hole, and above the RAM otherwise. A guest that is 32-bit cannot reach it there, and no guest can beyond the CPU's physical address bits.",
    remedy:
      'Make the region smaller (buf-num, buf-size), or the VM; -cpu host,host-phys-bits=on where the machine has more bits.',
  },
  'host-memory': {
    says: 'The memory of all VMs and regions fits into the memory of this machine.',
    why: 'Pages are taken when they are touched first; then there are none, and the kernel ends a process.',
    remedy: 'Give VMs less memory, regions fewer buffers, or the machine more.',
  },
  hugepages: {
    says: 'There are enough free huge pages of 2 MiB for the regions that want them.',
    why: 'The host does not start without them.',
    remedy: 'Raise /proc/sys/vm/nr_hugepages by what is missing, soon after boot.',
  },
  'region-trust': {
    says: 'Each region belongs to one VM.',
    why: "VMs that share a region can read and change each other's packets: sharing a region is sharing trust. Only pipes between VMs need it.",
    remedy: 'Leave region out where no pipe needs it: a private one costs nothing more.',
  },
  'region-used': {
    says: 'Each region has a VM in it.',
    why: 'A region that nobody is in takes memory for nothing, or a VM was meant to be in it.',
    remedy: 'Name it in a VM (region: NAME), or take it away.',
  },
  'port-used': {
    says: 'Each port under ports belongs to a device or a switch.',
    why: 'Settings of a port that nobody has do nothing; most often its name is misspelled.',
    remedy: 'Correct the name, or take the entry away.',
  },
  'ring-counts': {
    says: 'A port has as many tx rings as rx rings.',
    why: "netmap's Linux driver takes the number of tx rings for both: with other numbers a guest's kernel stops. FreeBSD's driver and netmap applications do not mind.",
    remedy: 'Give tx-rings and rx-rings the same number unless you know the guest.',
  },
  'tx-slots': {
    says: "A tx ring has more slots than the guests' network stacks keep free.",
    why: 'The drivers of Linux and FreeBSD send only while 65536 / buf-size + 2 slots are free, so on a shorter ring never. netmap applications do not mind.',
    remedy: 'Raise tx-slots (and rx-slots of the other end of a pipe), or buf-size.',
  },
  'buffer-mtu': {
    says: 'The longest frame of a port fits the slots of a packet: 64 of them, or rx-slots - 1, each of buf-size bytes.',
    why: 'What is longer is dropped (bad-len). A frame that takes several slots comes as a chain, which netmap applications that know no NS_MOREFRAG see as several packets.',
    remedy: 'Raise buf-size or rx-slots, or lower the mtu.',
  },
  'switch-ports': {
    says: 'A switch has two ports or more.',
    why: 'What is sent on a switch with one port reaches nobody; most often the name of the switch is misspelled.',
    remedy: "Correct the name ('vale0:2' and 'valeO:2' are two switches), or add what is missing.",
  },
  'switch-loop': {
    says: 'Switches, bridges and veth pairs make no loop.',
    why: 'A frame to everybody would go round in it for ever. The host takes the carrier from the second of two members that meet in a bridge; other loops it does not see.',
    remedy: 'Take one of the members off its switch or out of its bridge, or run STP on the bridge.',
  },
  'ip-unique': {
    says: 'Addresses of the host on taps are there once, and their networks do not overlap.',
    why: 'The kernel sends packets for a network by one of the interfaces that have it, so the guests behind the others get no answers.',
    remedy: 'Give each tap a network of its own.',
  },
  'worker-starvation': {
    says: 'Polling workers leave CPUs for the VMs and for everybody else.',
    why: 'A worker that has a device with policy poll never sleeps. When as many of them run as there are CPUs, virtual CPUs and the kernel wait for a time slice, and latency grows by milliseconds.',
    remedy: 'Take policy adaptive, fewer workers, or a machine with more CPUs.',
  },
  'policy-inline': {
    says: 'No device is served inline.',
    why: 'Each of its kicks is served on the event loop: it is for tests and tracing, and slow.',
    remedy: 'Take policy adaptive.',
  },
  capabilities: {
    says: 'This process has the capabilities that its ports take.',
    why: 'Taps, addresses and mtus take CAP_NET_ADMIN, frames of an interface CAP_NET_RAW, AF_XDP CAP_BPF beside both, a network namespace CAP_SYS_ADMIN. Without them the host does not start.',
    remedy:
      "Start it as root, give the program the capabilities ('setcap', AmbientCapabilities= of systemd), or have taps made beforehand for its user.",
  },
  'interface-there': {
    says: 'The interfaces of the host that the file names exist, and are up.',
    why: 'The host does not start without them; nothing passes by one that is down.',
    remedy: "'ip link' shows those that are there; 'ip link set IF up'.",
  },
  'xdp-there': {
    says: 'What AF_XDP needs is there: libxdp, an mtu that fits a page, memory that may be locked.',
    why: 'access: af-xdp fails at the start without it; auto takes AF_PACKET then.',
    remedy: 'Install libxdp1, set an mtu of at most 3498, or leave access out.',
  },
  'run-dir': {
    says: "The run-dir is this user's or root's, not everybody can write to it, and no other host serves the sockets in it.",
    why: 'Whoever can put a socket there can be the host to a VM; the host refuses such a folder.',
    remedy: 'Take a folder of this user, or stop the other host.',
  },
  'lookup-plugin': {
    says: "The plug-in of a switch is a shared object of root's or this user's that nobody else may write, with the symbol and the version of the interface that a host takes. Nothing of it is run.",
    why: 'It is code of the host, which does not start without it.',
    remedy:
      "Build it with this host's ptnetmap/lookup.h, give it to the host's user, and write its absolute path.",
  },
  'qemu-there': {
    says: 'There is a QEMU of version 10.1 or newer with the device vfio-user-pci.',
    why: 'Older ones do not have the device. Debian 12 and 13 have older ones; trixie-backports has a newer one.',
    remedy: 'Install a newer QEMU, or run one from another place.',
  },
  'kvm-usable': {
    says: 'KVM can be used.',
    why: 'QEMU emulates the CPU without it: VMs work, and are many times slower.',
    remedy:
      'Load the module kvm_intel or kvm_amd, and put this user into the group of /dev/kvm. In a VM, nested virtualization has to be on.',
  },
  descriptors: {
    says: 'This process may open as many descriptors as all VMs take when they are attached.',
    why: 'The VM that comes last would find none left and wait.',
    remedy: "'ulimit -n NUMBER', or LimitNOFILE= of systemd.",
  },
  'locked-memory': {
    says: 'This process may lock as much memory as its AF_XDP sockets take.',
    why: 'The kernel counts the memory of AF_XDP sockets as locked; beyond RLIMIT_MEMLOCK they cannot be made.',
    remedy: "'ulimit -l unlimited', LimitMEMLOCK= of systemd, or CAP_IPC_LOCK.",
  },
  'memory-maps': {
    says: 'The kernel lets this process have as many mappings as the devices may take.',
    why: 'Each device maps two arrays of guest memory; beyond a quarter of vm.max_map_count a CREATE is refused (ENOSPC).',
    remedy: "'sysctl vm.max_map_count=NUMBER'.",
  },
};
