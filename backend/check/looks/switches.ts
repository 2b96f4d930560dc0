// Looks at each switch: enough ports, no loop by bridges and veth pairs, a plug-in that the host takes.
import { formatPath } from '../../config/format-path.ts';
import { alternatives, nearest } from '../../config/nearest.ts';
import { parsePortName } from '../../config/port-name.ts';
import { switchPorts } from '../../config/users.ts';
import { kindOf } from '../../ports/kinds/index.ts';
import { type Finding, failed, pass, warn } from '../finding.ts';
import { lookupFileProblem } from '../machine/lookup-file.ts';
import type { MachineInterface } from '../machine/machine.ts';
import type { Scene } from '../scene.ts';

export function lookAtSwitches(scene: Scene): Finding[] {
  const standing = switchPorts(scene.config);
  const names = new Set([...scene.config.switches.keys(), ...standing.keys()]);
  const findings = [...names].map((name) => {
    const ports = (standing.get(name) ?? []).map(({ port }) => port);
    return company(name, ports, [...names], scene);
  });
  return [...findings, ...loops(scene), ...plugins(scene)];
}

/** Digits and letters that look alike. */
const lookalike = (name: string): string => name.replaceAll(/o/gi, '0').replaceAll(/[lI]/g, '1');

function company(
  name: string,
  ports: readonly string[],
  names: readonly string[],
  { config }: Scene,
): Finding {
  const object = formatPath(['switches', name]);
  if (ports.length >= 2) return pass('switch-ports', object, `${ports.length} ports: ${shortList(ports)}`);
  if (config.applications)
    return pass('switch-ports', object, `${ports.length} ports, and applications may come to it`);
  const others = names.filter((other) => other !== name);
  const alike = others.find((other) => lookalike(other) === lookalike(name)) ?? nearest(name, others);
  const evidence =
    ports.length === 0 ? 'nobody is on it' : `'${ports[0]}' is alone on it, and reaches nobody`;
  const remedy =
    alike === undefined
      ? `a second port, such as '${name}:2', or a member (members: ['tap:lan'])`
      : `${alternatives([alike])} may be the switch that was meant`;
  return warn('switch-ports', object, evidence, remedy);
}

const SHOWN = 6;
const shortList = (names: readonly string[]): string =>
  names.length > SHOWN
    ? `${names.slice(0, SHOWN).join(', ')} and ${names.length - SHOWN} more`
    : names.join(', ');

/** Where frames of an interface go besides: a bridge, or the other end of its veth pair. */
function placesOf(link: MachineInterface, all: readonly MachineInterface[]): string[] {
  const bridge = all.find(({ index }) => index === link.master);
  const peer = all.find(({ index }) => index === link.peer);
  return [
    ...(bridge ? [`bridge '${bridge.name}'`] : []),
    ...(link.kind === 'bridge' ? [`bridge '${link.name}'`] : []),
    ...(peer ? [`veth pair '${[link.name, peer.name].toSorted().join("' and '")}'`] : []),
  ];
}

/** Everything that forwards is a node; an edge that joins what is joined already closes a loop. */
function loops({ config, machine: { interfaces } }: Scene): Finding[] {
  const parents = new Map<string, string>();
  const root = (node: string): string => {
    const parent = parents.get(node);
    return parent === undefined ? node : root(parent);
  };
  const join = (a: string, b: string): boolean => {
    const [x, y] = [root(a), root(b)];
    if (x !== y) parents.set(x, y);
    return x === y;
  };
  const members = [...config.switches].flatMap(([name, vale]) =>
    vale.members.map((member) => ({ name, member })),
  );
  const own = new Set(members.map(({ member }) => interfaceOf(member)));
  // What the kernel joins by itself: veth ends that stand in bridges.
  for (const link of interfaces)
    if (!own.has(link.name)) {
      const [first, ...rest] = placesOf(link, interfaces);
      if (first !== undefined) for (const place of rest) join(first, place);
    }
  const found: Finding[] = [];
  for (const { name, member } of members) {
    if (config.ports.get(member)?.netns !== undefined) continue;
    const link = interfaces.find((one) => one.name === interfaceOf(member));
    const closing = link && placesOf(link, interfaces).find((place) => join(`switch ${name}`, place));
    if (closing === undefined) continue;
    const evidence = `'${member}' leads from switch '${name}' to ${closing}, which the switch reaches by another way too`;
    found.push(
      failed(
        'switch-loop',
        formatPath(['switches', name]),
        evidence,
        'one of the ways away, or STP on the bridge',
      ),
    );
  }
  if (found.length > 0 || members.length === 0) return found;
  return [
    pass('switch-loop', 'switches', `${members.length} members, no two meet in a bridge or a veth pair`),
  ];
}

function interfaceOf(member: string): string | undefined {
  const name = parsePortName(member);
  return kindOf(name).interfaceOf(name);
}

function plugins({ config, machine }: Scene): Finding[] {
  return [...config.switches].flatMap(([name, { lookup }]) => {
    if (lookup?.kind !== 'plugin') return [];
    const object = formatPath(['switches', name, 'lookup']);
    const wrong = lookupFileProblem(lookup.path, machine.uid);
    return wrong
      ? [failed('lookup-plugin', object, ...wrong)]
      : [pass('lookup-plugin', object, `'${lookup.path}' is one that a host of this user takes`)];
  });
}
