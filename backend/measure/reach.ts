// Whom a device or an application's port of a configuration reaches, and by what.
import { createHash } from 'node:crypto';
import type { HostConfig } from '../config/host-config.ts';
import { parsePortName } from '../config/port-name.ts';
import { kindOf, type PortName } from '../ports/kinds/index.ts';
import type { ApplicationEnd, DeviceEnd, End, InterfaceEnd, Path, PortEnd } from './path.ts';

export interface Link extends Pick<Path, 'lossless' | 'kernel' | 'by'> {
  readonly end: End;
}

export function devicesOf(config: HostConfig): DeviceEnd[] {
  return [...config.vms].flatMap(([vm, { devices }]) =>
    devices.map(({ name, port, mac }): DeviceEnd => ({ kind: 'device', vm, device: name, port, mac })),
  );
}

/** Those that applications may have wherever they are let in; other kinds are the kernel's at their other side. */
const APPLICATION_KINDS = ['vale', 'pipe', 'null', 'echo'];

export const isApplicationPort = (port: string): boolean =>
  APPLICATION_KINDS.includes(parsePortName(port).kind);

const MAC_DIGITS = 8;

/** With an address of its own, the same in each run. */
export function applicationEnd(port: string): ApplicationEnd {
  const digits = createHash('sha256').update(port).digest('hex').slice(0, MAC_DIGITS);
  return { kind: 'application', port, mac: `02:61:${digits.match(/../g)!.join(':')}` };
}

/** Devices, and the ports that the file names for applications. */
export function portEndsOf(config: HostConfig): PortEnd[] {
  const ports = config.applications?.ports.filter(isApplicationPort) ?? [];
  return [...devicesOf(config), ...ports.map(applicationEnd)];
}

/**
 * A lookup function may still forbid what a switch makes possible.
 * @param asked ends that are asked about: applications may have ports that no file names
 */
export function reachedBy(device: PortEnd, config: HostConfig, asked: readonly PortEnd[] = []): Link[] {
  const ends = [...new Map([...portEndsOf(config), ...asked].map((end) => [end.port, end])).values()];
  const name = parsePortName(device.port);
  switch (name.kind) {
    case 'null':
      return [{ end: { kind: 'host', port: device.port }, lossless: true, kernel: false, by: device.port }];
    case 'echo':
      return [{ end: device, lossless: true, kernel: false, by: device.port }];
    case 'pipe':
      return pipeEnds(name, ends);
    case 'vale':
      return onSwitch(device, kindOf(name).switchOf(name)!, ends, config);
    case 'tap':
    case 'netmap':
      return [...interfaceLink(device.port, config), ...byTheKernel(device, config)];
    case 'monitor':
      // What its client sends goes nowhere.
      return [];
  }
}

function pipeEnds(name: PortName & { kind: 'pipe' }, ends: readonly PortEnd[]): Link[] {
  const by = `pipe ${kindOf(name).format({ ...name, end: 'master' })}`;
  return ends
    .filter(({ port }) => {
      const other = parsePortName(port);
      return (
        other.kind === 'pipe' &&
        other.parent === name.parent &&
        other.id === name.id &&
        other.end !== name.end
      );
    })
    .map((end) => ({ end, lossless: true, kernel: false, by }));
}

function onSwitch(device: PortEnd, vale: string, ends: readonly PortEnd[], config: HostConfig): Link[] {
  const members = config.switches.get(vale)?.members ?? [];
  const kernel = members.length > 0;
  const others = ends.filter(({ port }) => {
    const name = parsePortName(port);
    return port !== device.port && kindOf(name).switchOf(name) === vale;
  });
  return [
    ...others.map((end): Link => ({ end, lossless: false, kernel, by: vale })),
    ...members.flatMap((port) => interfaceLink(port, config)).map((link) => ({ ...link, by: vale })),
  ];
}

/**
 * The kernel's side of a tap: what the host's stack sends comes to the port. Behind an interface that is no tap is a cable,
 * whose other end is not known here.
 */
export function interfaceEnd(port: string, config: HostConfig): InterfaceEnd | undefined {
  const name = parsePortName(port);
  const tap = name.kind === 'tap' || (name.kind === 'netmap' && name.host);
  const found = tap ? kindOf(name).interfaceOf(name) : undefined;
  if (found === undefined) return undefined;
  const netns = config.ports.get(port)?.netns;
  return { kind: 'interface', port, interface: found, ...(netns !== undefined && { netns }) };
}

function interfaceLink(port: string, config: HostConfig): Link[] {
  const end = interfaceEnd(port, config);
  return end === undefined ? [] : [{ end, lossless: false, kernel: true, by: port }];
}

/** A bridge or routes of the kernel may lead from one interface to another: only a packet tells. */
function byTheKernel(device: PortEnd, config: HostConfig): Link[] {
  return devicesOf(config)
    .filter(({ port }) => port !== device.port && ['tap', 'netmap'].includes(parsePortName(port).kind))
    .map((end) => ({ end, lossless: false, kernel: true, by: "the host's kernel" }));
}
