// Tries each device as its driver would: ids, every register, the region behind BAR 1, interrupts and doorbells.
import type { GuestPort, Memdev, PciFunction } from '../../../guest-driver/model/index.ts';
import { MEMDEV, MEMDEV_REGISTERS, PTCTL, PTFEAT, PTNET, PTNET_REGISTERS } from '../../../pci/index.ts';
import { macBytes } from '../../config/mac.ts';
import type { Placed } from '../../config/placed.ts';
import type { Host } from '../../host.ts';
import { planRegions, regionKey } from '../../ports/plan.ts';
import { type Finding, judge } from '../finding.ts';
import { formatBytes, type RegionSize, regionSize } from '../region-size.ts';
import { nameOf } from './reach.ts';
import { pause } from './station.ts';
import type { Trial, TrialGuest } from './trial.ts';

const RESERVED_BUFFERS = 2;
const WAIT_MS = 5000;
const EINVAL = 22;
const ONES = 0xffff_ffff;

/** All of a VM's devices; its ports are being served when it is done. */
export async function* tryDevices(trial: Trial, { vm, guest, places }: TrialGuest): AsyncGenerator<Finding> {
  const shape = planRegions(trial.config).get(regionKey(vm, trial.config.vms.get(vm)!.region))!;
  const size = regionSize(shape);
  const memory = `${vm}/mem`;
  yield identity(memory, guest.memdev.pci, 'io');
  yield await memdevRegisters(memory, guest.memdev, shape.id, size);
  for (const [index, place] of places.entries()) {
    const port = guest.ports[index]!;
    yield identity(nameOf(place), port.ptnet.pci, place.device.bar0);
    yield await ptnetRegisters(place, port, shape.id, size);
    yield await interrupts(nameOf(place), port);
  }
  yield region(memory, guest.memdev, guest.ports, places, size);
  await guest.create();
  for (const [index, place] of places.entries())
    yield await doorbells(trial.host, place, guest.ports[index]!);
}

function identity(
  object: string,
  { bars, vendorId, deviceId, capabilities, msix }: PciFunction,
  bar0: 'io' | 'mem',
): Finding {
  const kind = bars[0]?.kind ?? 'none';
  const problems =
    (bar0 === 'io') === (kind === 'io') ? [] : [`BAR 0 is ${kind}, and the file has bar0: ${bar0}`];
  const hex = (id: number): string => id.toString(16).padStart(4, '0');
  const list = bars.flatMap((bar, index) =>
    bar ? [`BAR ${index} ${bar.kind} ${formatBytes(Number(bar.size))}`] : [],
  );
  const more = msix ? `, MSI-X with ${msix.vectors} vectors` : '';
  return judge(
    'live-device',
    object,
    problems,
    `${hex(vendorId)}:${hex(deviceId)}, ${list.join(', ')}, ${capabilities.length} capabilities${more}`,
  );
}

type Registers = readonly (readonly [offset: number, name: string, mode: string, meaning: string])[];

/** Reads all, writes ones into those that are read-only and reads again. `want`: what they must be, by name. */
async function readAll(
  registers: Registers,
  want: ReadonlyMap<string, number>,
  access: { read(offset: number): Promise<number>; write(offset: number, value: number): Promise<void> },
): Promise<string[]> {
  const problems: string[] = [];
  for (const [offset, name, mode] of registers) {
    if (mode !== 'r' && mode !== '-') continue;
    const wanted = mode === '-' ? 0 : want.get(name);
    const before = await access.read(offset);
    if (wanted !== undefined && before !== wanted) problems.push(`${name} reads ${before}, not ${wanted}`);
    await access.write(offset, ONES);
    const after = await access.read(offset);
    if (after !== before) problems.push(`${name} takes a write: it reads ${after}`);
  }
  return problems;
}

const accessTo = (pci: PciFunction, bar: number) => ({
  read: (offset: number) => pci.device.read32(bar, offset),
  write: (offset: number, value: number) => pci.device.write32(bar, offset, value),
});

async function memdevRegisters(
  object: string,
  { pci }: Memdev,
  id: number,
  { memory, pools }: RegionSize,
): Promise<Finding> {
  const want = new Map([
    ['PTNET_MDEV_IO_MEMSIZE_LO', memory % 2 ** 32],
    ['PTNET_MDEV_IO_MEMSIZE_HI', Math.floor(memory / 2 ** 32)],
    ['PTNET_MDEV_IO_MEMID', id],
    ...Object.entries(pools).flatMap(([name, { offset, count, size }]): [string, number][] => {
      const prefix = `PTNET_MDEV_IO_${name.toUpperCase()}_POOL`;
      return [
        [`${prefix}_OFS`, offset],
        [`${prefix}_OBJNUM`, count],
        [`${prefix}_OBJSZ`, size],
      ];
    }),
  ]);
  const problems = await readAll(MEMDEV_REGISTERS, want, accessTo(pci, MEMDEV.IO_BAR));
  return judge(
    'live-registers',
    object,
    problems,
    `${MEMDEV_REGISTERS.length} registers read what the file says, and ignore writes`,
  );
}

async function ptnetRegisters(
  { device, port: config, vmName }: Placed,
  { ptnet }: GuestPort,
  id: number,
  { pools }: RegionSize,
): Promise<Finding> {
  const mac = macBytes(device.mac);
  const word = (octets: Uint8Array): number => octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const want = new Map([
    ['PTNET_IO_MAC_HI', word(mac.subarray(0, 2))],
    ['PTNET_IO_MAC_LO', word(mac.subarray(2))],
    ['PTNET_IO_NUM_TX_RINGS', config.txRings],
    ['PTNET_IO_NUM_RX_RINGS', config.rxRings],
    ['PTNET_IO_NUM_TX_SLOTS', config.txSlots],
    ['PTNET_IO_NUM_RX_SLOTS', config.rxSlots],
    ['PTNET_IO_HOSTMEMID', id],
  ]);
  const access = accessTo(ptnet.pci, PTNET.IO_BAR);
  const problems = await readAll(PTNET_REGISTERS, want, access);
  const { offset, count, size } = pools.if;
  if (ptnet.nifpOfs < offset || ptnet.nifpOfs >= offset + count * size)
    problems.push(`PTNET_IO_NIFP_OFS is ${ptnet.nifpOfs}, outside the pool of netmap_if`);
  problems.push(...(await negotiation(access, config.vnetHdr)));
  await access.write(PTNET.IO_PTCTL, ONES);
  const refused = await access.read(PTNET.IO_PTCTL);
  if (refused !== EINVAL)
    problems.push(`PTCTL answers ${refused} to a command that there is not, not EINVAL`);
  return judge(
    'live-registers',
    `${vmName}/${device.name}`,
    problems,
    `${PTNET_REGISTERS.length} registers read what the file says; those to read ignore writes, features are those of the file, PTCTL refuses what it does not know`,
  );
}

type Access = ReturnType<typeof accessTo>;

/** The virtio-net header: offered as the file says, with lengths that there are. */
async function negotiation(access: Access, vnetHdr: boolean): Promise<string[]> {
  const problems: string[] = [];
  await access.write(PTNET.IO_PTFEAT, ONES);
  const features = await access.read(PTNET.IO_PTFEAT);
  const wanted = vnetHdr ? PTFEAT.VNET_HDR : 0;
  if (features !== wanted) problems.push(`PTFEAT offers ${features}, not ${wanted}`);
  for (const length of [12, 13]) {
    await access.write(PTNET.IO_VNET_HDR_LEN, length);
    const got = await access.read(PTNET.IO_VNET_HDR_LEN);
    const right = vnetHdr ? 12 : 0;
    if (got !== right) problems.push(`VNET_HDR_LEN is ${got} after ${length} was asked for, not ${right}`);
  }
  await access.write(PTNET.IO_VNET_HDR_LEN, 0);
  await access.write(PTNET.IO_PTFEAT, 0);
  return problems;
}

async function interrupts(object: string, { ptnet }: GuestPort): Promise<Finding> {
  const { msix } = ptnet;
  const problems: string[] = [];
  for (const interrupt of msix.interrupts) interrupt.drain();
  for (const [vector, interrupt] of msix.interrupts.entries()) {
    await msix.trigger(vector);
    if ((await interrupt.wait(WAIT_MS)) === 0) problems.push(`vector ${vector} raises no interrupt`);
    const others = msix.interrupts.filter((other) => other !== interrupt && other.drain() > 0);
    if (others.length > 0) problems.push(`vector ${vector} raises ${others.length} others`);
  }
  return judge(
    'live-interrupts',
    object,
    problems,
    `${msix.interrupts.length} vectors, each raises its own interrupt`,
  );
}

/** The constructors of the driver model have looked at netmap_if and the rings; here what they share. */
function region(
  object: string,
  memdev: Memdev,
  ports: readonly GuestPort[],
  places: readonly Placed[],
  size: RegionSize,
): Finding {
  const problems: string[] = [];
  const owners = new Map<number, string>();
  let slots = 0;
  for (const [index, port] of ports.entries()) {
    // The rx rings of a pipe show the buffers of its other end.
    const rings = places[index]!.portName.kind === 'pipe' ? port.tx : port.rings;
    for (const ring of rings)
      for (let i = 0; i < ring.numSlots; i++) {
        slots++;
        const { bufIdx } = ring.shared.slot(i);
        const owner = owners.get(bufIdx);
        if (bufIdx < RESERVED_BUFFERS || bufIdx >= memdev.bufPool.count)
          problems.push(`${ring.name}: slot ${i} has buffer ${bufIdx}`);
        else if (owner !== undefined)
          problems.push(`${ring.name}: slot ${i} has buffer ${bufIdx} of ${owner}`);
        else owners.set(bufIdx, ring.name);
      }
  }
  const bar = Number(memdev.pci.bars[MEMDEV.MEM_BAR]?.size ?? 0n);
  if (bar !== size.bar) problems.push(`BAR 1 has ${bar} bytes, not ${size.bar}`);
  return judge(
    'live-memory',
    object,
    problems,
    `BAR 1 of ${formatBytes(bar)} maps; ${slots} slots of ${ports.length} ports have a buffer of their own`,
  );
}

async function doorbells(host: Host, place: Placed, { rings, ptnet }: GuestPort): Promise<Finding> {
  const problems: string[] = [];
  const counts = (): number[] => host.stats([place.device.port]).ports[0]!.rings.map(({ kicks }) => kicks);
  for (const [index, ring] of rings.entries()) {
    const before = counts();
    await ptnet.kick(ring.index);
    const deadline = Date.now() + WAIT_MS;
    while (counts()[index] === before[index] && Date.now() < deadline) await pause(1);
    const changed = counts().flatMap((count, i) => (count === before[i] ? [] : [i]));
    if (changed.join() !== `${index}`)
      problems.push(`doorbell ${index} has reached ring ${changed.join(', ') || 'none'}`);
  }
  const how = ptnet.doorbellWaits ? 'answered' : 'posted';
  return judge(
    'live-doorbells',
    nameOf(place),
    problems,
    `${rings.length} doorbells, ${how}, each reaches its own ring; PTCTL ${PTCTL.CREATE} has started them`,
  );
}
