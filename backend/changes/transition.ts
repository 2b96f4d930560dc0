// Makes a host that is like one configuration like another one, while it runs: in steps that can all be taken back.
import { NullPort } from '../../native/ports.ts';
import type { HostConfig, PortConfig, PortLimits } from '../config/host-config.ts';
import type { DeviceTable } from '../devices.ts';
import { portOrder } from '../ports/order.ts';
import { type PlacedMember, type PortTable, same } from '../ports/table.ts';
import { missingIn, type Places, type PortPlace } from './places.ts';
import type { Steps } from './steps.ts';

export interface Parts {
  readonly ports: PortTable;
  readonly devices: DeviceTable;
  /** Has a worker serve a member. */
  startMember(member: PlacedMember, config: HostConfig): void;
  /** A member has left: its worker is free. */
  memberLeft(name: string): void;
}

export interface Side {
  readonly config: HostConfig;
  readonly places: Places;
}

/** @throws ConfigurationError; then `steps` has what is to be undone. */
export function transition(parts: Parts, from: Side, to: Side, steps: Steps): void {
  // Whatever comes: those that are there in the end, one that this has made too, are what they are to be then.
  steps.do(
    () => {},
    () => settleSwitches(parts.ports, from.config),
  );
  takeAway(parts, from, to, steps);
  // Before its next port: no packet passes by another function.
  settleSwitches(parts.ports, to.config);
  putThere(parts, from, to, steps);
  settle(parts, from, to, steps);
}

/** Each behind those that it depends on. */
function inOrder(some: readonly PortPlace[], { places }: Side): PortPlace[] {
  const names = (some: ReadonlyMap<string, { name: string }>) => [...some.values()].map(({ name }) => name);
  const order = portOrder(names(places.ports), names(places.members));
  return some.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

/** What is another one, or no more: clients first, then what is behind them; ports before members, which monitors may look at. */
function takeAway({ devices, ports, ...parts }: Parts, from: Side, to: Side, steps: Steps): void {
  for (const { vm, name } of missingIn(from.places.devices, to.places.devices))
    steps.do(
      () => devices.remove(vm, name),
      () => {
        devices.add(from.config, vm, name);
        devices.open(vm);
      },
    );
  // Those that others depend on go last.
  for (const { name, region } of inOrder(missingIn(from.places.ports, to.places.ports), from).reverse())
    steps.do(
      () => ports.remove(name),
      () => ports.create(from.config, name, region),
    );
  for (const { vale, name } of missingIn(from.places.members, to.places.members))
    steps.do(
      () => {
        ports.leave(name);
        parts.memberLeft(name);
      },
      () => parts.startMember(ports.join(from.config, vale, name), from.config),
    );
  for (const { key, shape } of missingIn(from.places.regions, to.places.regions))
    steps.do(
      () => ports.removeRegion(key),
      () => ports.addRegion(key, shape),
    );
}

function putThere({ devices, ports, ...parts }: Parts, from: Side, to: Side, steps: Steps): void {
  for (const { key, shape } of missingIn(to.places.regions, from.places.regions))
    steps.do(
      () => ports.addRegion(key, shape),
      () => ports.removeRegion(key),
    );
  for (const { vale, name } of missingIn(to.places.members, from.places.members))
    steps.do(
      () => {
        const member = ports.join(to.config, vale, name);
        parts.startMember(member, to.config);
      },
      () => {
        ports.leave(name);
        parts.memberLeft(name);
      },
    );
  for (const { name, region } of inOrder(missingIn(to.places.ports, from.places.ports), to))
    steps.do(
      () => ports.create(to.config, name, region),
      () => ports.remove(name),
    );
  const exported = missingIn(to.places.devices, from.places.devices);
  for (const { vm, name } of exported)
    steps.do(
      () => devices.add(to.config, vm, name),
      () => devices.remove(vm, name),
    );
  for (const vm of new Set(exported.map((device) => device.vm))) devices.open(vm);
}

/** One without a port waits for the next. */
function settleSwitches(ports: PortTable, config: HostConfig): void {
  for (const name of ports.switches.keys()) ports.settle(name, config);
}

/** What can be another one in place. */
function settle(parts: Parts, from: Side, to: Side, steps: Steps): void {
  const all = [...to.places.ports, ...to.places.members];
  for (const [id, { name }] of all)
    if (from.places.ports.has(id) || from.places.members.has(id))
      settlePort(parts.ports, name, from.config.ports.get(name)!, to.config.ports.get(name)!, steps);
  for (const [id, { vm, name }] of to.places.devices)
    if (from.places.devices.has(id)) settleDevice(parts, vm, name, from.config, to.config, steps);
  const serving = ({ engine: { policy, spinUs } }: HostConfig) => JSON.stringify([policy, spinUs]);
  if (serving(from.config) === serving(to.config)) return;
  for (const member of parts.ports.members)
    steps.do(
      () => parts.startMember(member, to.config),
      () => parts.startMember(member, from.config),
    );
}

function settlePort(
  ports: PortTable,
  name: string,
  before: PortConfig,
  after: PortConfig,
  steps: Steps,
): void {
  const limits = (port: PortConfig): PortLimits => port.limits ?? {};
  if (!same(limits(before), limits(after)))
    steps.do(
      () => ports.setLimits(name, limits(after)),
      () => ports.setLimits(name, limits(before)),
    );
  const port = ports.ports.get(name);
  if (!(port instanceof NullPort)) return;
  const source = ({ source: given }: PortConfig) => {
    if (given) ports.setSource(name, given);
    else port.setSource({ ...NO_SOURCE });
  };
  if (!same(before.source, after.source))
    steps.do(
      () => source(after),
      () => source(before),
    );
  const verify = ({ sink }: PortConfig) => port.setVerify(sink.verify ? (sink.payload ?? 'full') : 'none');
  if (!same(before.sink, after.sink))
    steps.do(
      () => verify(after),
      () => verify(before),
    );
}

/** A source that sends nothing. */
const NO_SOURCE = {
  packets: 0n,
  size: 60,
  payload: 'none',
  rate: 0,
  stream: 0,
} as const;

function settleDevice(
  { devices }: Parts,
  vm: string,
  name: string,
  before: HostConfig,
  after: HostConfig,
  steps: Steps,
): void {
  const hosted = devices.get(vm, name)?.hosted;
  const policyIn = (config: HostConfig) => {
    const { policy } = config.vms.get(vm)!.devices.find((device) => device.name === name)!;
    return { policy, spinUs: config.engine.spinUs };
  };
  if (!hosted || same(policyIn(before), policyIn(after))) return;
  steps.do(
    () => hosted.setPolicy(policyIn(after)),
    () => hosted.setPolicy(policyIn(before)),
  );
}
