// The checks of a file by itself: a host does not start while one of them fails.
import type { FileCheck } from '../../config/file-checks.ts';
import type { Check } from './check.ts';

export const FILE: Readonly<Record<FileCheck, Check>> = {
  'file-form': {
    says: 'The file is YAML in UTF-8, and each key and value is one that docs/configuration.md has.',
    why: 'A key that is misspelled would be a setting that silently does nothing.',
    remedy: 'Correct the place that the evidence names; it says which word or value would be right.',
  },
  'file-empty': {
    says: 'There is a VM, or a switch with a member.',
    why: 'A host without either has nothing to do.',
    remedy: 'Name a VM and its devices under vms.',
  },
  'socket-group': {
    says: 'The group that sockets are given to exists on this machine.',
    why: 'A QEMU of another user could not connect.',
    remedy: "Take a group that 'getent group' shows, and one that this user is in.",
  },
  'socket-path': {
    says: 'The path of each socket has at most 107 bytes.',
    why: 'The kernel takes no longer ones (sun_path).',
    remedy: 'Take a shorter run-dir, or shorter names.',
  },
  'vm-name': {
    says: "No VM has the name of one of the host's own sockets.",
    why: "Its folder would lie where the host's control socket does.",
    remedy: 'Give it another name.',
  },
  'worker-cpus': {
    says: 'engine.cpus has a CPU of this machine for each worker.',
    why: 'A worker cannot run on a CPU that is not there.',
    remedy: "Take numbers that 'nproc' and 'lscpu' show.",
  },
  'numa-node': {
    says: 'NUMA nodes exist, have what is wanted of them, and memory and workers are on the same.',
    why: 'What workers read and write would cross from node to node: slower, and for all packets.',
    remedy: 'Say numa-node once, under engine, and leave the others out.',
  },
  'region-id': {
    says: 'Each region has an id of its own.',
    why: "A guest's driver finds the memory of a port by the id; with two of one id it would take the wrong one.",
    remedy: 'Leave id out: the host gives free ones.',
  },
  'region-name': {
    says: 'The region that a VM names exists.',
    why: 'Its ports would have no memory.',
    remedy: 'Add it under regions, or leave region out for a private one.',
  },
  'region-room': {
    says: 'A region has as many objects, of such sizes, as the ports in it take.',
    why: 'A port takes a netmap_if, a ring object for each ring and a buffer for each slot whose ring owns buffers; buffers 0 and 1 are reserved. The rx rings of a pipe own none.',
    remedy: "Raise the number that the evidence names in the region, or lower the ports' rings and slots.",
  },
  'pci-slots': {
    says: 'A VM has at most 28 network devices.',
    why: 'They and the memory device have to fit on the first PCI bus.',
    remedy: 'Give some of the devices to another VM, or take ports with several rings.',
  },
  'device-name': {
    says: 'The devices of a VM have different names.',
    why: 'A name is that of a socket.',
    remedy: 'Leave names out: they are net0, net1 and so on.',
  },
  'doorbell-window': {
    says: 'A port has at most 32 rings, tx and rx together.',
    why: 'A device has 32 doorbells: registers 128 to 252 of BAR 0, four bytes for each ring.',
    remedy: 'Take fewer rings, or a second device.',
  },
  'port-keys': {
    says: "A port's settings are such as its kind has.",
    why: 'A source belongs to a null port, an address to an interface of the host.',
    remedy: 'Move the key to the port that was meant, or leave it out.',
  },
  'port-owner': {
    says: 'Each port belongs to one device.',
    why: 'Two drivers on the same rings would destroy what each other has done.',
    remedy: 'Give each device a port of its own.',
  },
  'port-parent': {
    says: 'The port that a pipe or a monitor belongs to is there.',
    why: 'A monitor of nobody shows nothing; a pipe of a port lies in the memory of that port.',
    remedy: 'Add a device with that port, or correct the name.',
  },
  'switch-name': {
    says: 'The switch of a VALE port is one of those that the file names, if it names any.',
    why: 'A misspelled switch would be a second one, with one port on it.',
    remedy: 'Correct the name, or add the switch.',
  },
  'switch-member': {
    says: 'What stands on a switch without a VM is a tap or an interface, and nothing else uses it.',
    why: 'Frames that one of two users sends would come back by the other.',
    remedy: 'Name taps or interfaces of their own as members.',
  },
  'switch-size': {
    says: 'A switch has at most 254 ports.',
    why: "That is netmap's limit.",
    remedy: 'Make a second switch, and join both by a tap or a VM.',
  },
  'mac-unique': {
    says: 'No two stations on a switch have the same MAC address, and no VM has one twice.',
    why: 'A switch would send their packets now to the one and now to the other.',
    remedy: 'Leave mac out: the addresses made up from the places in the file differ.',
  },
  'interface-owner': {
    says: 'An interface of the host is used by one port.',
    why: 'Frames that one of two sends would come back by the other.',
    remedy: 'Take one of the ports away, or another interface.',
  },
  'rate-limit': {
    says: 'Limits can be kept: a direction, a burst of a millisecond at least, a switch for storm control, no monitor.',
    why: 'A limit that says nothing, or that nobody waits for, would let everything through.',
    remedy: 'docs/configuration.md has what each key means.',
  },
  'pipe-ends': {
    says: 'Both ends of a pipe are devices.',
    why: 'A pipe with one end takes as many packets as its ring has slots, and then nothing.',
    remedy: 'Add a device whose port is the other end.',
  },
  'pipe-agrees': {
    says: 'The ends of a pipe agree: region, rings, slots, header and policy.',
    why: 'A tx ring of one end is joined to an rx ring of the other, slot by slot, in one memory.',
    remedy: 'Give both the same settings.',
  },
  'ring-pairs': {
    says: 'A port of an interface or of an echo has as many rx rings as tx rings.',
    why: 'They go in pairs: a queue of the interface for each.',
    remedy: 'Give tx-rings and rx-rings the same number.',
  },
  'lookup-ports': {
    says: 'A lookup function names ports of its own switch, each in one place.',
    why: 'A rule about a port that is elsewhere would never hold.',
    remedy: 'Correct the name.',
  },
};
