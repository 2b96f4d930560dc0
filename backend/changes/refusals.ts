// What a host that runs cannot become, and why: said before anything is changed.
import type { HostConfig } from '../config/host-config.ts';
import { formatPath } from '../config/schema.ts';
import type { DeviceTable } from '../devices.ts';
import { regionKey } from '../ports/plan.ts';
import type { PortTable } from '../ports/table.ts';
import type { Change } from './difference.ts';
import { type DevicePlace, missingIn, type Places } from './places.ts';

/** Keys that are settled when a host starts. */
const AT_START: readonly (readonly [path: string, what: string])[] = [
  ['run-dir', 'the sockets of running VMs are there'],
  ['socket-mode', 'it is given when the sockets are made'],
  ['socket-group', 'it is given when the sockets are made'],
  ['control', 'it is settled when the host starts'],
  ['applications', 'their socket is made when the host starts'],
  ['engine.workers', 'workers are started with the host'],
  ['engine.cpus', 'workers are started with the host'],
  ['engine.numa-node', 'workers are started with the host'],
];

const within = (path: string, place: string): boolean =>
  path === place || path.startsWith(`${place}.`) || path.startsWith(`${place}[`);

const shown = ({ from, to }: Change): string => `${from ?? 'nothing'} -> ${to ?? 'nothing'}`;

export interface Refusal {
  readonly text: string;
  /** Whether it can be done all the same, when somebody means it. */
  readonly forcible: boolean;
}

/** What is there while the host runs, beside what its configuration says. */
export interface Running {
  readonly devices: DeviceTable;
  readonly ports: Pick<PortTable, 'ports' | 'regions' | 'regionOf'>;
  /** Who looks at a port or member, or is its client, beside VMs: `a capture (program 3)`, `an application (pid 4711)`. */
  usersOf(name: string): readonly string[];
}

interface Sides {
  readonly from: HostConfig;
  readonly to: HostConfig;
  readonly before: Places;
  readonly after: Places;
}

export function refusals(changes: readonly Change[], sides: Sides, running: Running): Refusal[] {
  const atStart = changes.flatMap((change) => {
    const why = AT_START.find(([place]) => within(change.path, place))?.[1];
    return why === undefined
      ? []
      : [
          refusal(
            `${change.path}: ${shown(change)}: ${why}: the host started anew with the file would be right`,
          ),
        ];
  });
  const cutOff = missingIn(sides.before.devices, sides.after.devices).filter(
    ({ vm, name }) => running.devices.get(vm, name)?.exported.session !== undefined,
  );
  return [
    ...atStart,
    ...explainCutOff(cutOff, changes, sides),
    ...takenByApplications(sides, running),
    ...inUse(sides, running),
  ];
}

const refusal = (text: string, forcible = false): Refusal => ({ text, forcible });

/** Devices that a VM would lose: those of a VM that is given up are one line. */
function explainCutOff(
  cutOff: readonly DevicePlace[],
  changes: readonly Change[],
  { from, to, before, after }: Sides,
): Refusal[] {
  const keys = (places: Places) => new Map([...places.regions].map(([id, { key }]) => [key, id]));
  const lines = cutOff.map(({ vm, name }) => {
    const path = formatPath(['vms', vm]);
    if (!to.vms.has(vm))
      return refusal(
        `${path}: a VM is connected: the VM ended first, or 'force', which cuts it off, would be right`,
        true,
      );
    const key = regionKey(vm, from.vms.get(vm)!.region);
    const region = keys(before).get(key) !== keys(after).get(key);
    if (region && from.vms.get(vm)!.region === to.vms.get(vm)!.region)
      return refusal(
        `${path}: its region would have to be another one, and a VM that is connected has mapped it: the VM ended first, or a device less, would be right`,
      );
    const device = formatPath(['vms', vm, 'devices', name]);
    const { port } = from.vms.get(vm)!.devices.find((candidate) => candidate.name === name) ?? { port: '' };
    const causes = changes.filter((change) =>
      [device, formatPath(['ports', port]), `${path}.region`, `${path}.pci-ids`].some((place) =>
        within(change.path, place),
      ),
    );
    const what = causes.map((change) => `${change.path}: ${shown(change)}`).join(', ');
    return refusal(
      `${device}: a VM is connected to it (${what}): the VM ended first, or 'force', which cuts it off, would be right`,
      true,
    );
  });
  return [...new Map(lines.map((line) => [line.text, line])).values()];
}

const namesOf = (some: ReadonlyMap<string, { name: string }>): Set<string> =>
  new Set([...some.values()].map(({ name }) => name));

/** Ports and regions that were made for applications are in no configuration. */
function takenByApplications({ before, after }: Sides, { ports, usersOf }: Running): Refusal[] {
  const ofFile = namesOf(before.ports);
  const made = [...ports.ports.keys()].filter((name) => !ofFile.has(name));
  const by = (name: string): string => usersOf(name).join(', ') || 'an application';
  const named = made
    .filter((name) => namesOf(after.ports).has(name))
    .map((name) =>
      refusal(
        `${formatPath(['ports', name])}: made for ${by(name)}: that one ended first, or another name, would be right`,
      ),
    );
  const emptied = missingIn(before.regions, after.regions).flatMap(({ key }) =>
    made
      .filter((name) => ports.regionOf(name) === key)
      .map((name) =>
        refusal(
          `${key.replace(':', 's.')}: would have to be another one, and '${name}', made for ${by(name)}, lies in it: that one ended first would be right`,
        ),
      ),
  );
  return [...named, ...emptied, ...idsTaken({ before, after }, ports.regions)];
}

function idsTaken(
  { before, after }: Pick<Sides, 'before' | 'after'>,
  regions: PortTable['regions'],
): Refusal[] {
  const ofFile = new Set([...before.regions.values()].map(({ key }) => key));
  const taken = new Map([...regions].flatMap(([key, { info }]) => (ofFile.has(key) ? [] : [[info.id, key]])));
  return missingIn(after.regions, before.regions).flatMap(({ key, shape: { id } }) =>
    taken.has(id)
      ? [
          refusal(
            `${key.replace(':', 's.')}: id ${id} is that of '${taken.get(id)}', made for an application: another id would be right`,
          ),
        ]
      : [],
  );
}

/** Ports and members that go, or are made anew. */
function inUse({ before, after }: Sides, { usersOf }: Running): Refusal[] {
  const gone = [...missingIn(before.ports, after.ports), ...missingIn(before.members, after.members)];
  return gone.flatMap(({ name }) => {
    const users = usersOf(name);
    return users.length === 0
      ? []
      : [
          refusal(
            `${formatPath(['ports', name])}: in use by ${users.join(', ')}: that ended first would be right`,
          ),
        ];
  });
}
