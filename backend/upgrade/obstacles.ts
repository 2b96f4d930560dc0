// What of a host cannot be handed over to another process, or be kept for one that comes when this one has died: a line for each.
import { isDeepStrictEqual } from 'node:util';
import type { HostConfig } from '../config/host-config.ts';
import { parseConfig } from '../config/load.ts';
import { parsePortName } from '../config/port-name.ts';
import { configText } from '../config/write.ts';
import type { Host } from '../host.ts';

/** Kinds of port whose state is told. */
const KINDS = ['null', 'echo', 'pipe', 'vale', 'tap', 'netmap'];

/** @param said a configuration of which it is known that a file can say it. */
export function obstacles(host: Host, said?: HostConfig): string[] {
  const { applications, devices, programs } = host.insides;
  const cannot = 'cannot be handed over yet';
  const lines: string[] = [];
  for (const line of applications?.holdings ?? [])
    lines.push(`${line} ${cannot}: without it the host can be`);
  for (const { id, kind, ended } of programs.states)
    if (!ended) lines.push(`program ${id}: a ${kind} that runs ${cannot}: end it first`);
  lines.push(...ofPorts(host, cannot));
  for (const { vm, name, hosted } of devices.all) {
    if (hosted?.policy.policy === 'inline')
      lines.push(`${vm}/${name}: a device with policy inline ${cannot}`);
    if (hosted?.doorbells === 'eventfd')
      lines.push(`${vm}/${name}: a client that rings its doorbells by eventfds ${cannot}`);
  }
  if (lines.length === 0 && host.config !== said && !isSaidByAFile(host))
    lines.push(
      'its configuration is one that no file says, and cannot be handed over: this is a fault of ours',
    );
  return lines;
}

/** What stands against it that a process goes on when this one has died; programs and their ports end with it, which does not. */
export function lossesOf(host: Host): string[] {
  const cannot = 'cannot be kept yet';
  const { config, insides } = host;
  const lines = insides.ports.interfaces
    .filter(({ interface: { info } }) => info.access === 'tap' && info.gone)
    .map(({ name }) => `${name}: its interface is gone, and not there again yet`);
  for (const [name, { sink }] of config.ports)
    if (sink.verify) lines.push(`${name}: a sink that verifies ${cannot}`);
  for (const [key, region] of insides.ports.regions)
    if (region.info.lost) lines.push(`${key}: the memory of this region has been taken away`);
  for (const [name, { lookup }] of config.switches)
    if (lookup?.kind === 'plugin')
      lines.push(`${name}: a switch whose lookup function is a plug-in ${cannot}`);
  if (lines.length === 0 && !isSaidByAFile(host))
    lines.push('its configuration is one that no file says: this is a fault of ours');
  return lines;
}

function ofPorts({ config, insides: { ports } }: Host, cannot: string): string[] {
  const lines = ports.interfaces.flatMap(({ name, interface: { info } }) => {
    if (info.gone) return [`${name}: its interface is gone, and not there again yet`];
    return info.access.startsWith('af_xdp')
      ? [`${name}: an interface by AF_XDP ${cannot}: one with 'access: af-packet' can`]
      : [];
  });
  for (const [name, port] of ports.ports) {
    const { kind } = parsePortName(name);
    if (!KINDS.includes(kind)) lines.push(`${name}: a port of kind ${kind} ${cannot}`);
    if (config.ports.get(name)?.sink.verify) lines.push(`${name}: a sink that verifies ${cannot}`);
    if (port.region.info.lost) lines.push(`${name}: the memory of its region has been taken away`);
  }
  for (const name of ports.switches.keys())
    if (ports.settingsOf(name).lookup?.kind === 'plugin')
      lines.push(`${name}: a switch whose lookup function is a plug-in ${cannot}`);
  return lines;
}

/** The other process reads it so. */
function isSaidByAFile({ config }: Host): boolean {
  try {
    return isDeepStrictEqual(
      parseConfig(configText(config), 'its configuration', { runDir: config.runDir }),
      config,
    );
  } catch {
    return false;
  }
}
