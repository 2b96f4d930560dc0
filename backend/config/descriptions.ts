// What each key of a configuration file means, for editors and for the reference: one row for each, in Markdown.

/** Its meaning, and the default where that is no plain value. Links are from docs/reference/. */
export type Description = readonly [meaning: string, fallback?: string];

/** Rings, for all ports of a switch or for one. */
const RINGS: Readonly<Record<string, Description>> = {
  'tx-rings': [
    'Rings that the guest sends on. A device has 32 doorbells: tx and rx rings together are at most 32',
    '1',
  ],
  'rx-rings': ['Rings that the guest receives on', '1'],
  'tx-slots': ['Slots of a tx ring; one always stays empty', '1024'],
  'rx-slots': ['Slots of an rx ring; one always stays empty', '1024'],
};

const LIMITS: Readonly<Record<string, Description>> = {
  rate: [
    'The most that passes: a rate for both directions, or a mapping; see [rate and storm-control](../configuration.md#rate-and-storm-control)',
    'none',
  ],
  'rate.tx': [
    "What the port's guest sends, in bits a second; of a member without a VM: what it sends into the switch",
    'none',
  ],
  'rate.rx': ['What it receives, in bits a second', 'none'],
  'rate.burst': [
    'Bytes that may come at once after a rest: a millisecond of the rate, and 2048, at least',
    'what comes in 5 ms, 64 KiB at least',
  ],
  'storm-control': ['Ports on a switch: the most packets a second for everybody that it may send', 'none'],
  'storm-control.broadcast': ['Packets a second to the broadcast address', 'none'],
  'storm-control.multicast': ['Packets a second to multicast addresses', 'none'],
  'storm-control.unknown-unicast': [
    'Packets a second to addresses that the switch has not learned, or has forgotten',
    'none',
  ],
};

const below = (path: string, rows: Readonly<Record<string, Description>>) =>
  Object.fromEntries(Object.entries(rows).map(([key, row]) => [`${path}.${key}`, row]));

const SWITCHES: Readonly<Record<string, Description>> = {
  ...RINGS,
  ...LIMITS,
  'vnet-hdr': ['The default for `vnet-hdr` of its ports', '`true`'],
  mtu: ['The default for `mtu` of its ports', 'none'],
  members: [
    'Ports that stand on the switch without a VM, such as `tap:lan`; see [networks](../networks.md)',
    'none',
  ],
  'patience-us': [
    'Microseconds that a full destination is waited for before packets for it are dropped; one that was waited for in vain is not waited for again until it has made room (64 slots, or a quarter of its ring). 0: a sender is never held up. More is of use when VMs share CPUs, so that a receiver has to wait for its turn; what the sender has for others waits too',
  ],
  lookup: [
    'How the switch finds out where packets go: `learning`, `hub`, or a mapping: a table (`static`), `isolated` ports, or a plug-in such as a firewall; see [lookup](../lookup.md)',
    '`learning`',
  ],
  'lookup.static': ['The port behind which each station is, by MAC address'],
  'lookup.unknown': [
    'With `static`: what becomes of packets for a station that is not in the table',
    '`drop`',
  ],
  'lookup.isolated': ['As `learning`, but the ports reach the promiscuous ones only, as in a private VLAN'],
  'lookup.isolated.promiscuous': ['Ports that all others reach', 'none'],
  'lookup.isolated.communities': ['Ports that reach each other too, by the name of their community', 'none'],
  'lookup.plugin': ['The path of a shared object; see [plug-ins](../lookup.md#plug-ins)'],
  'lookup.options': ['With `plugin`: a text that it gets when it is made'],
  'mac-age': [
    'Seconds after which an address that has sent nothing is forgotten, so that packets for a station that has moved without sending are not sent to where it was for ever; `off`: never, as netmap has it',
  ],
};

const PORTS: Readonly<Record<string, Description>> = {
  ...RINGS,
  ...LIMITS,
  address: [
    "Taps, host sides of interfaces: an address of the host's there, such as `192.0.2.1/24`, or a list of them",
    'none',
  ],
  netns: [
    'Taps, interfaces: the network namespace that the interface is in, by the name that `ip netns` shows or a path',
    "the host's own",
  ],
  mtu: [
    'Taps, interfaces: bytes of a packet without its Ethernet header; the longest frame has to fit the slots of a packet. What an interface had before it has again when the host ends. VALE ports: the longest IP packet that TCP segments for this guest are cut to when it has no virtio-net header and their sender has one; longer UDP datagrams are dropped (`too-long`)',
    'what it has; a new tap 1500, the host side of an interface what that has; VALE ports: as the sender says',
  ],
  access: [
    'Interfaces: what its frames go through; see [networks](../networks.md#interfaces-of-the-host)',
    '`auto`',
  ],
  'vnet-hdr': [
    "Whether the guest may have its packets begin with a [virtio-net header](../how-it-works.md#virtio-net-headers), and so leave checksums and the cutting of TCP and UDP to others. With `false`, netmap applications in a guest that know no such header can open the interface of FreeBSD's and netmap's drivers, which ask for one whenever it is offered. Of a tap that is a member of a switch: whether the kernel may leave as much to others",
    '`true`; pipes and monitors: `false`',
  ],
  source: ['Null ports: what the guest receives', 'none'],
  'source.packets': ['How many, or `unlimited`'],
  'source.size': ['Bytes of a packet; at most those of a buffer'],
  'source.payload': [
    '`none`: headers only; `stamp`: number and checksum; `full`: every byte says where it belongs',
  ],
  'source.rate': ['Packets a second, counted from when a guest attaches; 0 is as many as the guest takes'],
  'source.stream': ['A number that the receiver tells sources apart by'],
  'source.dst': ['Destination address of the packets', "the device's MAC address"],
  'source.src': ['Source address of the packets', "an address of the host's own"],
  sink: ['Null ports: what becomes of what the guest sends'],
  'sink.verify': ['Whether it is checked as probe packets of this project'],
  'sink.payload': ['What is checked of them: `stamp`: number and checksum; `full`: every byte', '`full`'],
};

const VMS: Readonly<Record<string, Description>> = {
  memory: ["The guest's memory, for the hypervisor's arguments; whole megabytes"],
  machine: [
    "QEMU's machine. On `q35` a Linux guest's driver may take a PCIe root port for the memory device, because QEMU gives both the same ids (1b36:000c)",
  ],
  'pci-ids': [
    "The ids that the guest's driver looks for: `1b36:000c` is memory 1b36:000c and network 1b36:000d, `1b36:cccc` is 1b36:cccc and 1b36:cccd, as [some FreeBSD trees](../guests.md) have them",
  ],
  region: [
    "A name from `regions`: VMs in one region can read and change each other's packets",
    'a private one',
  ],
  'numa-node': [
    "The [NUMA node](../configuration.md#numa-nodes) that its private region and, by QEMU's arguments, the guest's memory come from",
    "the engine's, if that has memory",
  ],
  devices: ['Its network devices, 1 to 28'],
  'devices[].name': ["The socket's name; not `mem`", '`net0`, `net1`, ...'],
  'devices[].port': [
    'A port name; a port belongs to one device. See [port names](../configuration.md#ports)',
  ],
  'devices[].mac': [
    'Its MAC address: not multicast, and once on a switch',
    '`02:00:00:VM:VM:DEVICE`, by the places in the file',
  ],
  'devices[].policy': ['How its rings are served; see [engine](../configuration.md#engine)', "the engine's"],
  'devices[].bar0': [
    '`mem`: doorbells are posted, the virtual CPU does not wait for them; for Linux guests, which take either and are faster with it; FreeBSD needs `io`',
  ],
};

export const DESCRIPTIONS: Readonly<Record<string, Description>> = {
  'run-dir': [
    "The folder for the sockets: `RUN-DIR/VM/mem.sock` for the memory device, `RUN-DIR/VM/DEVICE.sock` for each network device. A relative path starts at the working directory; `~` is not expanded. A socket's whole path has at most 107 bytes. See [run-dir](../configuration.md#run-dir)",
  ],
  'socket-mode': [
    "Mode of the sockets, octal with or without quotes: 6 for the user, then 0, 2, 4 or 6 for group and others; the VMs' folders let the same people through, and so does a run-dir that is made here",
    'by the umask; with `socket-group`, `0660`',
  ],
  'socket-group': [
    "Name or number of the group that sockets and folders belong to; the host's user has to be in it, or be root",
    "the user's, or that of a set-gid run-dir",
  ],
  applications: [
    'Lets programs of the host have netmap ports, even an empty one does; see [applications](../applications.md)',
    'none: no program may',
  ],
  'applications.socket-mode': [
    'Mode of their socket, `RUN-DIR/netmap.sock`: whoever can write to it may connect',
    '`0600`; with `socket-group`, `0660`',
  ],
  'applications.socket-group': ['Name or number of the group that it belongs to', 'none'],
  'applications.region': [
    'The named region in which all ports of applications lie; whoever opens one of them can read and change all packets there, those of VMs too',
    'a private one for each',
  ],
  'applications.ports': [
    "Ports that are there from the start, for whoever may connect, such as the other end of a VM's pipe; others are made when they are opened",
    'none',
  ],
  control: ['Who may ask a running host and change it; see [control](../control.md)'],
  'control.mode': [
    'Mode of `control.sock`, for those who may change the host, as for `socket-mode`',
    "the host's user alone; with `group`, `0660`",
  ],
  'control.group': ['Name or number of the group that `control.sock` belongs to', "the user's"],
  'control.read-mode': [
    'Mode of `control-ro.sock`, for those who may ask',
    "the host's user alone; with `read-group`, `0660`",
  ],
  'control.read-group': ['Name or number of the group that `control-ro.sock` belongs to', "the user's"],
  'control.metrics': [
    'An address and a port of this machine, such as `127.0.0.1:9464`, where Prometheus can fetch metrics; everybody on the machine can then',
    'none',
  ],
  engine: ['The threads that move packets'],
  'engine.workers': ['How many threads move packets', '1, or one for each of `cpus`'],
  'engine.cpus': ['The CPU that each worker is pinned to, such as `[0, 2]`', "the scheduler's choice"],
  'engine.numa-node': [
    "Workers may run on all CPUs of this [NUMA node](../configuration.md#numa-nodes); with `cpus`, each on its own, which has to be one of the node's",
    'none',
  ],
  'engine.policy': [
    'How devices are served that do not say it themselves; see [engine](../configuration.md#engine)',
  ],
  'engine.spin-us': [
    'Microseconds: the longest that an idle ring is polled before it is parked (policy `adaptive`); four times as long when 64 slots or more move at a time',
  ],
  regions: [
    'Named netmap memory regions, for VMs that share one; see [regions](../configuration.md#regions)',
  ],
  'regions.*.id': ['Its number, each once', 'the lowest free one from 2'],
  'regions.*.if-num': ['`netmap_if` objects: one for each port, and spare ones'],
  'regions.*.if-size': ['Bytes of one'],
  'regions.*.ring-num': ['Ring objects'],
  'regions.*.ring-size': ['Bytes of one: a ring takes 256 + 16 × slots'],
  'regions.*.buf-num': ['Buffers; 0 and 1 are reserved'],
  'regions.*.buf-size': ['Bytes of one; a region may be larger than 4 GiB'],
  'regions.*.hugepages': [
    'Whether its memory is of 2 MiB pages: as many as the BAR is large have to be free (`/proc/sys/vm/nr_hugepages`)',
  ],
  'regions.*.numa-node': [
    'The [NUMA node](../configuration.md#numa-nodes) that its memory comes from',
    "the engine's, if that has memory",
  ],
  switches: [
    'VALE switches. Optional: with it, a VALE port on a switch that is not named here is a mistake; see [switches](../configuration.md#switches)',
  ],
  ...below('switches.*', SWITCHES),
  ports: ['Ports that a default does not suit, by their names; see [ports](../configuration.md#ports)'],
  ...below('ports.*', PORTS),
  vms: ['Virtual machines with their network devices, by names that you choose'],
  ...below('vms.*', VMS),
};
