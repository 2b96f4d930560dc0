// A path as it is written, `vm1/net0 -> host` or `vm1/net0 <-> vm2/net0`, and what it is in a configuration.
import type { HostConfig } from '../config/host-config.ts';
import { alternatives, nearest } from '../config/nearest.ts';
import { parsePortName, portNameProblem } from '../config/port-name.ts';
import { ConfigurationError } from '../errors.ts';
import { applicationEnd, devicesOf, interfaceEnd, isApplicationPort, reachedBy } from './reach.ts';

/** A device of a VM: a guest drives it. */
export interface DeviceEnd {
  readonly kind: 'device';
  readonly vm: string;
  readonly device: string;
  readonly port: string;
  readonly mac: string;
}

/** A port that a program of the host opens behind /dev/netmap. */
export interface ApplicationEnd {
  readonly kind: 'application';
  readonly port: string;
  /** The program's own choice. */
  readonly mac: string;
}

/** An end with rings of its own on a port of the host's. */
export type PortEnd = DeviceEnd | ApplicationEnd;

/** The kernel's side of a tap. */
export interface InterfaceEnd {
  readonly kind: 'interface';
  /** `tap:lan`: a device's port, or a member of its switch. */
  readonly port: string;
  readonly interface: string;
  readonly netns?: string;
}

/** The other side of a null port: the source and sink of the host itself. */
export interface HostEnd {
  readonly kind: 'host';
  readonly port: string;
}

/** An end that somebody has to drive. */
export type DrivenEnd = PortEnd | InterfaceEnd;

export type End = DrivenEnd | HostEnd;

export interface Path {
  /** As it is shown: `vm1/net0 -> host`. */
  readonly text: string;
  readonly from: End;
  readonly to: End;
  /** Both directions at once. */
  readonly both: boolean;
  /** Nothing may be missing at the end: its sender waits. Elsewhere a receiver that is slower loses packets. */
  readonly lossless: boolean;
  /** A kernel is on the way, which has packets of its own. */
  readonly kernel: boolean;
  /** What is between the ends, for people: `vale0`, `pipe p{1`. */
  readonly by: string;
}

const FORM =
  "'vm1/net0 -> host', 'vm1/net0 -> vm2/net0', 'vm1/net0 <-> vm2/net0', 'tap:lan -> vm1/net0' or 'vm1/net0 -> vale0:app'";

/** How an end is written. */
export function nameOf(end: End): string {
  switch (end.kind) {
    case 'device':
      return `${end.vm}/${end.device}`;
    case 'interface':
    case 'application':
      return end.port;
    case 'host':
      return 'host';
  }
}

/** @throws ConfigurationError that names the path, what is wrong, and what would be right. */
export function parsePath(text: string, config: HostConfig): Path {
  const parts = /^\s*(\S+?)\s*(<->|->|<-|↔|→)\s*(\S+)\s*$/.exec(text);
  if (!parts) throw wrong(text, `is not a path: ${FORM} would be right`);
  const [, left, arrow, right] = parts as unknown as [string, string, string, string];
  const both = arrow === '<->' || arrow === '↔';
  const [first, second] = arrow === '<-' ? [right, left] : [left, right];
  if (first === 'host' && second === 'host')
    throw wrong(text, `one end has to be a device of a VM or an application's port: ${FORM} would be right`);
  const known = (word: string) => (word === 'host' ? undefined : parseEnd(text, word, config));
  const [a, b] = [known(first), known(second)];
  const from = a ?? hostOf(text, b!, config);
  const to = b ?? hostOf(text, a!, config);
  return joined(text, { from, to, both }, config);
}

const wrong = (path: string, what: string): ConfigurationError =>
  new ConfigurationError(`'${path}': ${what}`);

function parseEnd(path: string, word: string, config: HostConfig): DrivenEnd {
  const device = /^([^/]+)\/([^/]+)$/.exec(word);
  if (device) return findDevice(path, device[1]!, device[2]!, config);
  if (portNameProblem(word) === undefined) return findPort(path, word, config);
  const vm = config.vms.get(word);
  if (vm) {
    const devices = vm.devices.map(({ name }) => `${word}/${name}`);
    throw wrong(path, `'${word}' is a VM: a device of it, ${alternatives(devices)}, would be right`);
  }
  throw wrong(
    path,
    `'${word}' is no end of a path: a device such as 'vm1/net0', 'host', 'tap:lan' or an application's 'vale0:app' would be right`,
  );
}

function findDevice(path: string, vmName: string, name: string, config: HostConfig): DeviceEnd {
  const vm = config.vms.get(vmName);
  if (!vm)
    throw wrong(path, `there is no VM '${vmName}': ${guess(vmName, [...config.vms.keys()])} would be right`);
  const device = vm.devices.find((candidate) => candidate.name === name);
  if (!device) {
    const right = guess(
      name,
      vm.devices.map((candidate) => candidate.name),
    );
    throw wrong(path, `${vmName} has no device '${name}': ${right} would be right`);
  }
  return { kind: 'device', vm: vmName, device: name, port: device.port, mac: device.mac };
}

const guess = (word: string, words: readonly string[]): string => {
  const near = nearest(word, words);
  return alternatives(near === undefined ? words : [near]);
};

function findPort(path: string, port: string, config: HostConfig): DrivenEnd {
  const end = config.ports.has(port) ? interfaceEnd(port, config) : undefined;
  if (end) return end;
  const taken = devicesOf(config).some((device) => device.port === port);
  if (!taken && isApplicationPort(port)) return findApplication(path, port, config);
  const taps = [...config.ports.keys()].filter((name) => interfaceEnd(name, config));
  const user = devicesOf(config).find((device) => device.port === port);
  const right = user
    ? `'${nameOf(user)}' would be right`
    : taps.length === 0
      ? 'there is none'
      : `${guess(port, taps)} would be right`;
  throw wrong(path, `${port} is no tap of the file: ${right}`);
}

function findApplication(path: string, port: string, config: HostConfig): ApplicationEnd {
  if (config.applications) return applicationEnd(port);
  throw wrong(
    path,
    `no device has ${port}, and the file lets no application have it: 'applications: {}' in the file would be right`,
  );
}

/** What `host` is for that end. */
function hostOf(path: string, end: DrivenEnd, config: HostConfig): HostEnd {
  if (end.kind !== 'interface' && parsePortName(end.port).kind === 'null') {
    if (config.ports.has(end.port)) return { kind: 'host', port: end.port };
    throw wrong(
      path,
      `${end.port} is gone whenever its program is, and what it has counted: '${end.port}' under 'applications.ports' would be right`,
    );
  }
  const what = end.kind === 'device' ? `${nameOf(end)} is ${end.port}` : `${end.port} is the host's already`;
  throw wrong(path, `'host' is the source and sink of a null port, and ${what}: another end would be right`);
}

function joined(
  text: string,
  { from, to, both }: Pick<Path, 'from' | 'to' | 'both'>,
  config: HostConfig,
): Path {
  const shown = `${nameOf(from)} ${both ? '<->' : '->'} ${nameOf(to)}`;
  const isPort = (end: End): end is PortEnd => end.kind === 'device' || end.kind === 'application';
  const device = [from, to].find(isPort);
  if (!device)
    throw wrong(text, `one end has to be a device of a VM or an application's port: ${FORM} would be right`);
  const other = device === from ? to : from;
  const reached = reachedBy(device, config, [from, to].filter(isPort));
  const link = reached.find(({ end }) => nameOf(end) === nameOf(other));
  if (!link) {
    const ends = reached.map(({ end }) => nameOf(end));
    const right = ends.length === 0 ? 'it reaches nobody' : `${alternatives(ends)} would be right`;
    const is = device.kind === 'device' ? ` is ${device.port} and` : '';
    throw wrong(text, `${nameOf(device)}${is} does not reach ${nameOf(other)}: ${right}`);
  }
  const { lossless, kernel, by } = link;
  return { text: shown, from, to, both, lossless, kernel, by };
}
