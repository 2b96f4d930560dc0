// Looks at what a host of the file needs of this machine: capabilities, interfaces, AF_XDP, its run-dir.
import { lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatPath } from '../../config/format-path.ts';
import type { PortConfig } from '../../config/host-config.ts';
import { type PortName, parsePortName } from '../../config/port-name.ts';
import { attachedVms } from '../../hypervisor/attach.ts';
import { kindOf } from '../../ports/kinds/index.ts';
import { type Finding, failed, pass, warn } from '../finding.ts';
import type { Capability, Machine, MachineInterface } from '../machine/machine.ts';
import { formatBytes } from '../region-size.ts';
import type { Scene } from '../scene.ts';

/** A frame of AF_XDP lies in a page, with room for the kernel's own. */
const XDP_MTU_MAX = 3498;
const XDP_FRAME = 4096;

/** A port whose other side is an interface of the host, used by a device or a switch. */
interface Used {
  readonly object: string;
  readonly name: PortName;
  readonly port: PortConfig;
  readonly interface: string | undefined;
  /** That of this machine; undefined: there is none, or it is in another namespace. */
  readonly link: MachineInterface | undefined;
}

export function lookAtRights(scene: Scene): Finding[] {
  const used = usedInterfaces(scene);
  return [
    ...used.flatMap((one) => [capabilities(one, scene.machine), ...there(one, scene.machine)]),
    ...xdp(used, scene.machine),
    runDir(scene),
  ];
}

function usedInterfaces({ config, placed, machine }: Scene): Used[] {
  const names = [
    ...placed.map(({ device }) => device.port),
    ...[...config.switches.values()].flatMap(({ members }) => members),
  ];
  return names.flatMap((text) => {
    const name = parsePortName(text);
    if (name.kind !== 'tap' && name.kind !== 'netmap') return [];
    const port = config.ports.get(text)!;
    const link = kindOf(name).interfaceOf(name);
    return [
      {
        object: formatPath(['ports', text]),
        name,
        port,
        interface: link,
        link: port.netns === undefined ? machine.interfaces.find((one) => one.name === link) : undefined,
      },
    ];
  });
}

const isTap = ({ name }: Used): boolean => name.kind === 'tap' || (name.kind === 'netmap' && name.host);

/** What it takes, with what for. */
function needs(used: Used): [Capability, string][] {
  const { port, link } = used;
  const wanted: [Capability, string][] = [];
  if (port.netns !== undefined) wanted.push(['CAP_SYS_ADMIN', 'its network namespace']);
  if (isTap(used)) {
    if (link === undefined && port.netns === undefined) wanted.push(['CAP_NET_ADMIN', 'making the tap']);
    else if (port.addresses.some((address) => link && !link.addresses.includes(address)))
      wanted.push(['CAP_NET_ADMIN', 'its address']);
    else if (link && !link.up) wanted.push(['CAP_NET_ADMIN', 'setting it up']);
  } else {
    wanted.push(['CAP_NET_RAW', 'its frames']);
    if (port.access === 'af-xdp') wanted.push(['CAP_NET_ADMIN', 'AF_XDP'], ['CAP_BPF', 'AF_XDP']);
  }
  if (port.mtu !== undefined && link !== undefined && link.mtu !== port.mtu)
    wanted.push(['CAP_NET_ADMIN', 'its mtu']);
  return wanted;
}

function capabilities(used: Used, machine: Machine): Finding {
  const wanted = needs(used);
  // Before CAP_BPF there was CAP_SYS_ADMIN, which still is as good.
  const has = (name: Capability): boolean =>
    machine.capabilities.has(name) || (name === 'CAP_BPF' && machine.capabilities.has('CAP_SYS_ADMIN'));
  const missing = wanted.filter(([name]) => !has(name));
  const list = (of: readonly [Capability, string][]): string =>
    of.map(([name, what]) => `${name} for ${what}`).join(', ');
  if (missing.length > 0)
    return failed(
      'capabilities',
      used.object,
      `this process lacks ${list(missing)}`,
      'root, or these capabilities',
    );
  return pass('capabilities', used.object, wanted.length === 0 ? 'it takes none' : `it has ${list(wanted)}`);
}

function there(used: Used, { tun }: Machine): Finding[] {
  const { object, link, port } = used;
  if (isTap(used) && !tun.usable)
    return [failed('interface-there', object, tun.why, "'modprobe tun', and the right to open it")];
  if (used.name.kind === 'tap') {
    const what = link === undefined ? 'it is made by the host' : `'${link.name}' is there, and used`;
    return [
      pass('interface-there', object, port.netns === undefined ? what : `it is in namespace '${port.netns}'`),
    ];
  }
  if (port.netns !== undefined)
    return [pass('interface-there', object, `it is in namespace '${port.netns}'`)];
  if (used.name.kind === 'netmap' && used.name.host)
    return [pass('interface-there', object, 'a tap that the host makes')];
  if (link === undefined)
    return [
      failed(
        'interface-there',
        object,
        `this machine has no interface '${used.interface}'`,
        "one that 'ip link' shows",
      ),
    ];
  return [
    link.up
      ? pass('interface-there', object, `'${link.name}', mtu ${link.mtu}, is up`)
      : warn(
          'interface-there',
          object,
          `'${link.name}' is down: nothing passes`,
          `'ip link set ${link.name} up'`,
        ),
  ];
}

function xdp(used: readonly Used[], machine: Machine): Finding[] {
  const mine = used.filter(({ port }) => port.access === 'af-xdp');
  const found = mine.map(({ object, port, link }) => {
    const mtu = port.mtu ?? link?.mtu ?? 1500;
    if (!machine.libxdp)
      return failed('xdp-there', object, 'there is no libxdp.so.1', 'libxdp1 (Debian), or access: auto');
    return mtu > XDP_MTU_MAX
      ? failed('xdp-there', object, `its mtu is ${mtu}`, `mtu: ${XDP_MTU_MAX} or less`)
      : pass('xdp-there', object, `libxdp is there; mtu ${mtu}, at most ${XDP_MTU_MAX}`);
  });
  if (mine.length === 0) return [];
  const bytes = mine.reduce(
    (sum, { port }) => sum + port.txRings * (port.txSlots + port.rxSlots) * XDP_FRAME,
    0,
  );
  const { lockedBytes } = machine.limits;
  const free = machine.capabilities.has('CAP_IPC_LOCK');
  const limit = free
    ? 'CAP_IPC_LOCK: no limit'
    : `RLIMIT_MEMLOCK ${lockedBytes === Number.POSITIVE_INFINITY ? 'unlimited' : formatBytes(lockedBytes)}`;
  const evidence = `AF_XDP takes about ${formatBytes(bytes)}; ${limit}`;
  const memory =
    free || bytes <= lockedBytes
      ? pass('locked-memory', 'host', evidence)
      : failed('locked-memory', 'host', evidence, `'ulimit -l ${Math.ceil(bytes / 1024)}' or CAP_IPC_LOCK`);
  return [...found, memory];
}

function runDir({ config, machine }: Scene): Finding {
  const { runDir: path } = config;
  const sockets = attachedVms(config).flatMap(({ devices }) => devices.map(({ socketPath }) => socketPath));
  const served = sockets.find((socket) => machine.listening.has(socket));
  if (served !== undefined)
    return warn('run-dir', 'run-dir', `a host serves '${served}' now`, 'another run-dir for a second host');
  let folder = path;
  let stat = statSync(folder, { throwIfNoEntry: false });
  while (!stat && folder !== '/') {
    folder = dirname(folder);
    stat = statSync(folder, { throwIfNoEntry: false });
  }
  const owner = (lstatSync(folder, { throwIfNoEntry: false }) ?? stat!).uid;
  const there = folder === path;
  const wrong = (evidence: string): Finding =>
    failed(
      'run-dir',
      'run-dir',
      evidence,
      "a folder of this user's, such as one in $XDG_RUNTIME_DIR (--run-dir)",
    );
  if (!stat!.isDirectory()) return wrong(`'${folder}' is not a folder`);
  if (there && (stat!.mode & 0o002) !== 0) return wrong(`everybody can write to '${folder}'`);
  if (owner !== machine.uid && (there ? owner !== 0 : true) && machine.uid !== 0)
    return wrong(`'${folder}' belongs to uid ${owner}, and this is uid ${machine.uid}`);
  return pass(
    'run-dir',
    'run-dir',
    there ? `'${path}' is there, and this user's or root's` : `'${path}' can be made in '${folder}'`,
  );
}
